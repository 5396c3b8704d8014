import type { Command } from 'commander';
import { createOutput } from '../output.ts';
import { repairLines } from '../results/repair-result.ts';
import type { OnExitCode } from './run-command.ts';

/** Something of the segment could not be kept. */
const LEFT_OUT = 3;

type RepairOptions = { segment: string; to?: string; json?: boolean };

export function addRepairCommand(program: Command, exit: OnExitCode): void {
  program
    .command('repair')
    .description('write a clean copy of a damaged log segment')
    .requiredOption('--segment <file>', 'the damaged .wal file')
    .option('--to <file>', 'the clean copy (default: the segment’s name and .repaired)')
    .option('--json', 'print one line of JSON')
    .action(async ({ segment, to, json }: RepairOptions) => {
      const { repairSegment } = await import('../../worker/repair-segment.ts');
      const repair = await repairSegment(segment, to);
      createOutput(json === true).result(repairLines(repair), repair);
      exit(repair.leftOut.length === 0 ? 0 : LEFT_OUT);
    });
}
