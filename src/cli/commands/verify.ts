import { Option } from 'commander';
import { parseVerifyBackupInput, type VerifyBackupResult } from '../../contract/verify-backup.ts';
import { CHECK_LEVELS } from '../../core/backup/checks.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { factLines } from '../output.ts';

const VERIFY_BACKUP: RunKind<'verifyBackup'> = { type: 'verifyBackup', isQuery: false, resultLines: verifyLines };

type VerifyOptions = RunOptions & InputOptions & { backup: string; level: string };

export const verifyCommand: CliCommand = {
  name: 'verify',
  description: 'read a whole backup back and check it',
  runs: [VERIFY_BACKUP],
  define: (command, { exit }) => {
    addRunOptions(command)
      .option('--backup <label>', '"latest", or a label or its first characters', 'latest')
      .addOption(new Option('--level <level>', 'how deep').choices(CHECK_LEVELS).default('replay'))
      .action(async (database: string, options: VerifyOptions) => {
        const { backup, level } = options;
        const input = parseVerifyBackupInput([{ ...commonInput(database, options), backup, level }]);
        exit(await execute({ ...VERIFY_BACKUP, input }, options));
      });
  },
};

export function verifyLines(result: VerifyBackupResult): string[] {
  const { pieces, bytesRead, bytesPlain, records, stateDigest } = result;
  return factLines([
    ['verified', `${result.label} in ${result.repository}`],
    ['level', result.level],
    [
      'read',
      `${sizeText(bytesRead)} in ${countedText(pieces, 'piece')}, ${sizeText(bytesPlain)} of log, ${countedText(records, 'record')}`,
    ],
    ['state digest', stateDigest],
    ['took', durationText(result.durationMs)],
  ]);
}
