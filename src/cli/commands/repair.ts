import type { SegmentRepair } from '../../local/repair-segment.ts';
import type { CliCommand } from '../command.ts';
import { countText, sizeText } from '../figures.ts';
import { addJsonOption } from '../options.ts';
import { createOutput, factLines } from '../output.ts';

/** Something of the segment could not be kept. */
const LEFT_OUT = 3;

type RepairOptions = { segment: string; to?: string; json?: boolean };

export const repairCommand: CliCommand = {
  name: 'repair',
  description: 'write a clean copy of a damaged log segment',
  define: (command, { exit }) => {
    command
      .requiredOption('--segment <file>', 'the damaged .wal file')
      .option('--to <file>', 'the clean copy (default: the segment’s name and .repaired)');
    addJsonOption(command).action(async ({ segment, to, json }: RepairOptions) => {
      const { repairSegment } = await import('../../local/repair-segment.ts');
      const repair = await repairSegment(segment, to);
      createOutput(json === true).result(repairLines(repair), repair);
      exit(repair.leftOut.length === 0 ? 0 : LEFT_OUT);
    });
  },
};

/** A repair for people: what was left out, byte by byte, for that is what a person has to judge. */
function repairLines({ to, records, keptBytes, leftOut }: SegmentRepair): string[] {
  return factLines([
    ['clean copy', to],
    ['kept', `${countText(records)} whole records, ${sizeText(keptBytes)}`],
    ...leftOut.map(
      ({ startBytes, endBytes }) => ['left out', `bytes ${startBytes} to ${endBytes}, ${sizeText(endBytes - startBytes)}`] as const,
    ),
  ]);
}
