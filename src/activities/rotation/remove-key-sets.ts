import { countedText } from '../../core/text/figures.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

/** What the run has done, for the log. */
type Rotated = { database: string; repository: string; rotated: number; left: number };

/**
 * Removes from the repository the descriptions of key sets under which nothing lies any more, of whichever database, and gives their names.
 * Fails: cancelled, repository-unavailable. Twice: nothing is left to remove.
 */
export const removeKeySets =
  (deps: ActivityDeps) =>
  async ({ database, repository, rotated, left }: Rotated, run: RunPort): Promise<string[]> => {
    const store = await deps.openStore(database, repository);
    await store.confirm();
    await run.checkOpen();
    const removed = await store.rotation.removeKeySets(run.signal);
    const rest = left === 0 ? '' : `, and ${countedText(left, 'object')} still under others`;
    const sentence = `${countedText(rotated, 'object')} of "${database}" in "${repository}" went under the keys of ${store.rotation.suffix}${rest}`;
    if (rotated > 0) deps.events.record({ kind: 'keys-rotated', database, repository, sentence, left, keySetsRemoved: removed });
    return removed;
  };
