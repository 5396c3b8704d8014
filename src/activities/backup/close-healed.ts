import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

/** `atMs`: of the run's clock, as the checks have theirs. */
export type CloseHealedInput = { database: string; repository: string; atMs: number };

/**
 * Once the manifest is written: backups that failed a check because of an object that is stored again don't count as
 * failed any more, and nobody stores it once more. Fails: repository-unavailable. Twice: the same.
 */
export const closeHealed =
  (deps: ActivityDeps) =>
  async ({ database, repository, atMs }: CloseHealedInput, { runId }: Pick<RunPort, 'runId'>): Promise<void> => {
    const store = await deps.openStore(database, repository);
    const healing = await store.plans.healing.ofRun(runId);
    const healed = new Set([...healing.damaged, ...healing.missing]);
    const closed = (await store.damage.known()).filter(({ key }) => healed.has(key));
    for (const [label, damages] of Map.groupBy(closed, (damage) => damage.label)) {
      const repairedKeys = [...new Set(damages.map(({ key }) => key))];
      await store.facts.recordVerification({ label, level: 'checksums', atMs, runId, held: false, repairedKeys });
    }
    for (const damage of closed) await store.damage.close({ damage, runId });
  };
