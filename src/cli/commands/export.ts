import { resolve } from 'node:path';
import { type ExportBackupResult, parseExportBackupInput } from '../../contract/export-backup.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { durationText, holdsText, logText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { factLines } from '../output.ts';

const EXPORT_BACKUP: RunKind<'exportBackup'> = { type: 'exportBackup', isQuery: false, resultLines: exportLines };

type ExportOptions = RunOptions & InputOptions & { agent?: string };

export const exportCommand: CliCommand = {
  name: 'export',
  description: 'write a backup as a tar.gz archive, which tar alone unpacks',
  runs: [EXPORT_BACKUP],
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<label>', '"latest", or a label or its first characters')
      .argument('<file>', 'on the agent’s host, below one of its archive roots; it must not exist')
      .option('--agent <agent>', 'the agent whose host gets the file (default: the database’s owner)')
      .action(async (...[database, backup, file, options]: [string, string, string, ExportOptions]) => {
        const input = parseExportBackupInput([{ ...commonInput(database, options), backup, file: resolve(file), agent: options.agent }]);
        exit(await execute({ ...EXPORT_BACKUP, input }, options));
      });
  },
};

export function exportLines(result: ExportBackupResult): string[] {
  return factLines([
    ['archive', `${result.file} on ${result.agent}, ${sizeText(result.sizeBytes)}`],
    ['SHA-256', result.sha256],
    ['of', `${result.label} in ${result.repository}, timeline ${result.timeline}`],
    ['log', logText(result.extents)],
    ['holds', holdsText(result)],
    ['state digest', result.stateDigest],
    ['took', durationText(result.durationMs)],
  ]);
}
