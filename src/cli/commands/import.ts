import { resolve } from 'node:path';
import { type ImportBackupResult, parseImportBackupInput } from '../../contract/import-backup.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText, holdsText, logText, sizeText, whenText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { factLines } from '../output.ts';

const IMPORT_BACKUP: RunKind<'importBackup'> = { type: 'importBackup', isQuery: false, resultLines: importLines };

type ImportOptions = RunOptions & InputOptions & { agent?: string };

export const importCommand: CliCommand = {
  name: 'import',
  description: 'make a backup of a tar archive that other scripts have made',
  runs: [IMPORT_BACKUP],
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<file>', 'on the agent’s host, below one of its archive roots; may be encrypted by age or gpg')
      .option('--agent <agent>', 'the agent whose host has the file (default: the database’s owner)')
      .action(async (...[database, file, options]: [string, string, ImportOptions]) => {
        const input = parseImportBackupInput([{ ...commonInput(database, options), file: resolve(file), agent: options.agent }]);
        exit(await execute({ ...IMPORT_BACKUP, input }, options));
      });
  },
};

const TAKEN_FROM: Record<ImportBackupResult['takenFrom'], string> = {
  'backup.json': 'as its backup.json says',
  'folder-name': 'as its folder is called',
  'file-name': 'as the file is called',
  'newest-file': 'the time of its newest file: nothing in it says when it was made',
};

export function importLines(result: ImportBackupResult): string[] {
  const { outcome, label, repository, timeline, takenAtMs, takenFrom, extents, bytesStored, piecesStored } = result;
  return factLines([
    ['backup', outcome === 'not-needed' ? `${label}, which was there already` : label],
    ['from', `${result.file} on ${result.agent}`],
    ['made', `${whenText(takenAtMs)}, ${TAKEN_FROM[takenFrom]}`],
    ['repository', `${repository}, timeline ${timeline}`],
    ['log', logText(extents)],
    ['holds', holdsText(result)],
    ['stored', `${sizeText(bytesStored)} in ${countedText(piecesStored, 'piece')}`],
    ['restorable', result.restorable],
    ['state digest', result.stateDigest],
    ['took', durationText(result.durationMs)],
  ]);
}
