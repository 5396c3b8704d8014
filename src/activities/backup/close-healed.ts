import { verificationSchema } from '../../formats/repository/verification.ts';
import { verificationKey } from '../../core/repository/object-keys.ts';
import { putSealed } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { closeDamage, readDamage } from '../../store/damage.ts';
import { readHealing } from './healing.ts';

/** `atMs`: of the run's clock, as the checks have theirs. */
export type CloseHealedInput = { database: string; repository: string; atMs: number };

/**
 * Once the manifest is written: backups that failed a check because of an object that is stored again don't count as
 * failed any more, and nobody stores it once more. Fails: repository-unavailable. Twice: the same.
 */
export const closeHealed =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, atMs }: CloseHealedInput, run: RunPort): Promise<void> => {
    const repository = await deps.openRepository(name);
    const { runId } = run;
    const { damaged, missing } = await readHealing({ repository, database, runId });
    const healed = new Set([...damaged, ...missing]);
    const closed = (await readDamage(repository, database)).filter(({ key }) => healed.has(key));
    for (const label of new Set(closed.map((damage) => damage.label))) {
      const repairedKeys = [...new Set(closed.filter((damage) => damage.label === label).map(({ key }) => key))];
      const value = { format: 1 as const, label, level: 'checksums' as const, atMs, runId, held: false, repairedKeys };
      await putSealed(repository, verificationKey(database, value), { schema: verificationSchema, value });
    }
    for (const damage of closed) await closeDamage(repository, database, { damage, runId });
  };
