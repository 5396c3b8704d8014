import type { UndoRestoreInput, UndoRestoreResult } from '../contract/undo-restore.ts';
import { outcomeOf } from '../contract/result.ts';
import { namingAlternative } from './alternative.ts';
import type { Engine } from './engine.ts';
import { placeOfRestore, recover } from './restore.ts';

/**
 * Puts back what a restore in place has replaced: a restore of the backup that holds all of it, so that whatever has been
 * written since is stored first, and the undo can be undone.
 */
export async function undoRestore(input: UndoRestoreInput, engine: Engine): Promise<UndoRestoreResult> {
  const { database, restore, dryRun } = input;
  const place = await placeOfRestore(engine, input);
  engine.phase('looking for the data that the restore has replaced');
  const found = await engine.lockedTransfers(place).findReplaced({ database, repository: input.repository, restore });
  const { label: backup, repository, undoes } = found;
  const wanted = { database, backup, repository };
  const copyOfRun = undoes.safetyCopy === undefined ? undefined : undoes.runId;
  const work = { ...wanted, dryRun, copyOfRun, keepsHistory: true };
  const result = await namingAlternative(engine, { place, wanted }, () => recover({ engine, place, input }, work));
  const warnings = [...found.warnings, ...result.warnings];
  return { ...result, undoes, warnings, outcome: outcomeOf(warnings) };
}
