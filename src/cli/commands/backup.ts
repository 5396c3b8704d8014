import { type HotBackupResult, parseHotBackupInput } from '../../contract/hot-backup.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, durationText, holdsText, logText, sizeText } from '../figures.ts';
import { addRunOptions, commonInput, execute, type InputOptions } from '../options.ts';
import { factLines } from '../output.ts';

const HOT_BACKUP: RunKind<'hotBackup'> = { type: 'hotBackup', isQuery: false, resultLines: backupLines };

export const backupCommand: CliCommand = {
  name: 'backup',
  description: 'back up a running server',
  runs: [HOT_BACKUP],
  define: (command, { exit }) => {
    addRunOptions(command).action(async (database: string, options: RunOptions & InputOptions) => {
      const input = parseHotBackupInput([commonInput(database, options)]);
      exit(await execute({ ...HOT_BACKUP, input }, options));
    });
  },
};

export const markCommand: CliCommand = {
  name: 'mark',
  description: 'back up a running server, and give the point a name to recover by',
  define: (command, { exit }) => {
    addRunOptions(command)
      .argument('<name>', '1 to 63 of a-z, 0-9 and -')
      .action(async (...[database, mark, options]: [string, string, RunOptions & InputOptions]) => {
        const input = parseHotBackupInput([{ ...commonInput(database, options), mark }]);
        exit(await execute({ ...HOT_BACKUP, input }, options));
      });
  },
};

export function backupLines(result: HotBackupResult): string[] {
  const { label, extents } = result;
  if (label === undefined || extents === undefined) return [`${result.outcome}: no backup was made of ${result.database}`];
  const added = `${sizeText(result.bytesStored ?? 0)} in ${countedText(result.piecesStored ?? 0, 'piece')}, from ${sizeText(result.bytesPlain ?? 0)} of log`;
  return factLines([
    ['mark', result.mark],
    ['backup', label],
    ['repository', `${result.repository ?? ''}, timeline ${result.timeline ?? ''}`],
    ['log', logText(extents)],
    ['holds', holdsText(result)],
    ['stored', added],
    ['restorable', restorableText(result)],
    ['state digest', result.stateDigest ?? ''],
    ['took', durationText(result.durationMs ?? 0)],
  ]);
}

function restorableText({ restorable = 'no', newestRestorable }: HotBackupResult): string {
  if (newestRestorable === undefined) return restorable;
  return `${restorable}; the newest that is: ${newestRestorable ?? 'none'}`;
}
