import type { CopyState, ListBackupsResult } from '../../contract/list-backups.ts';
import { type CheckFact, summariseChecks } from '../../core/backup/checks.ts';
import type { FactName } from '../../core/repository/object-keys.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';

export type CopiesByLabel = {
  /** How many repositories are to have each backup. */
  wanted: number;
  away: NonNullable<ListBackupsResult['away']>;
  of: (label: string) => CopyState[];
};

/** Which repositories have each backup, by their listings: no backup is read. `listed`: remembers what it has. Undefined if there is one. */
export async function copiesByLabel(deps: ActivityDeps, listed: Store): Promise<CopiesByLabel | undefined> {
  const catalogue = deps.catalogueOf(listed.database);
  if (new Set(catalogue.names).size === 1) return undefined;
  const { answers, failures } = await catalogue.each(async (other) => {
    const store = other.name === listed.name ? listed : other;
    const { backups, unplaced } = await store.backups.history();
    return { labels: new Set([...backups.map(({ label }) => label), ...unplaced]), facts: await store.facts.byLabel() };
  });
  return {
    wanted: new Set(catalogue.names).size,
    away: failures.map(({ name, error }) => ({ repository: name, code: error.code, message: error.message })),
    of: (label) =>
      answers
        .filter(({ found }) => found.labels.has(label))
        .map(({ store, found }) => ({ repository: store.name, ...checkedByNames(found.facts.get(label) ?? []) })),
  };
}

/** What the names of the facts say: a repair lifts what failed before it. */
export function checkedByNames(names: readonly FactName[]): Pick<CopyState, 'verified' | 'failedAtMs'> {
  const { verified, failed } = summariseChecks(names.flatMap(factOf));
  return { verified, failedAtMs: failed?.atMs };
}

const ANY_KEY = '*';

function factOf(name: FactName): CheckFact[] {
  if (name.kind !== 'verification') return [];
  const { level, atMs, outcome } = name;
  const failure = outcome === 'failed' ? { code: outcome, sentence: '', key: ANY_KEY } : undefined;
  return [{ level, atMs, failure, repairedKeys: outcome === 'repaired' ? [ANY_KEY] : undefined }];
}
