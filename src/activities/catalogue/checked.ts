import { summariseChecks } from '../../core/backup/checks.ts';
import type { FactName } from '../../core/repository/object-keys.ts';
import type { Store } from '../../store/store.ts';

export type Checked = {
  /** Whether a verification, or a recovery test up to the backup's end, has held. */
  hasHeld: boolean;
  /** Whether one has failed, and none has lifted that since. */
  hasFailed: boolean;
};

/** What is remembered of the checks of one backup, by the names of its facts: reads only what did not hold. Fails: repository-unavailable. */
export async function checkedOf({ facts }: Pick<Store, 'facts'>, names: readonly FactName[]): Promise<Checked> {
  const { verified, failed } = summariseChecks(await facts.checks(names));
  const isTested = names.some(({ kind, outcome }) => kind === 'test' && outcome === 'held');
  return { hasHeld: verified !== undefined || isTested, hasFailed: failed !== undefined };
}
