import { parseUndoRestoreInput, type UndoRestoreInput, type UndoRestoreResult } from '../../contract/undo-restore.ts';
import type { LocalRecovery } from '../../local/local-run.ts';
import type { OperatorKey } from '../../worker/operator-key.ts';
import type { CliCommand, HostSettings, RunKind } from '../command.ts';
import { addKeyOption, addRunOptions, commonInput, execute } from '../options.ts';
import { factLines } from '../output.ts';
import { addRecoveryOptions, carryOut, type RecoveryOptions, restoreFacts, restoreLines } from './restore.ts';

const UNDO: RunKind<'undoRestore'> = { type: 'undoRestore', isQuery: false, resultLines: undoLines };

type UndoOptions = RecoveryOptions & { restore?: string };

export const undoCommand: CliCommand = {
  name: 'undo',
  description: 'put back the data that a restore in place has replaced',
  runs: [UNDO],
  define: (command, cli) => {
    addRecoveryOptions(addKeyOption(addRunOptions(command)))
      .option('--restore <run>', 'the id of its run, or the beginning (default: the newest that has a safety copy)')
      .action(async (database: string, options: UndoOptions) => cli.exit(await undo(database, options, cli.settings)));
  },
};

/** Returns the exit code. */
async function undo(database: string, options: UndoOptions, settings: HostSettings): Promise<number> {
  const { restore, dryRun, discardNewer } = options;
  const input = parseUndoRestoreInput([{ ...commonInput(database, options), restore, dryRun, discardNewer }]);
  const run = (asked: UndoRestoreInput, key: OperatorKey | undefined): Promise<number> => execute({ ...UNDO, input: asked, key }, options);
  const alone = async (asked: UndoRestoreInput, local: Omit<LocalRecovery, 'input'>): Promise<UndoRestoreResult> => {
    const { undoLocally } = await import('../../local/local-run.ts');
    return undoLocally({ ...local, input: asked });
  };
  return carryOut({ input, options, settings }, { run, alone, lines: undoLines });
}

export function undoLines(result: UndoRestoreResult): string[] {
  const facts = restoreFacts(result);
  if (result.undoes === undefined || facts === undefined) return restoreLines(result);
  return factLines([['undoes', `restore ${result.undoes.runId}`], ...facts]);
}
