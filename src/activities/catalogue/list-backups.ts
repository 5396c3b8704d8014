import type { CataloguedBackup } from '../../formats/repository/catalogue.ts';
import type { BackupRow, ListBackupsResult, UnreadableBackup } from '../../contract/list-backups.ts';
import { laterByClock } from '../../core/backup/history.ts';
import { holdsInForce } from '../../core/retention/hold.ts';
import { type CheckFact, summariseChecks } from '../../core/backup/checks.ts';
import { cataloguedOf } from '../../store/overview.ts';
import type { Store } from '../../store/store.ts';
import { copiesByLabel } from './copy-states.ts';
import { openFirst } from '../copy/copies-wanted.ts';
import type { ActivityDeps } from '../activity-deps.ts';

export type ListBackupsQuery = { database: string; repository?: string | undefined; limit: number };
export type ListedBackups = Pick<
  ListBackupsResult,
  'repository' | 'backups' | 'total' | 'unreadable' | 'laterByClock' | 'newestRestorable' | 'copiesWanted' | 'away'
>;
/** So many labels are enough for a warning. */
const LATER_MAX = 5;

/** Up to here the facts of each backup are listed by themselves; one listing gives those of all backups. */
const LISTED_EACH_MAX = 4;

/** So many are read side by side. */
const READ_AT_ONCE = 8;

/** The newest backups first. Fails: unknown-database, unknown-repository, repository-unavailable. */
export const readBackups =
  (deps: ActivityDeps) =>
  async ({ database, repository, limit }: ListBackupsQuery): Promise<ListedBackups> => {
    const { store } = await openFirst(deps, database, repository);
    const listed = await withHolds(store, await listNewest(store, limit));
    const copies = await copiesByLabel(deps, store);
    if (copies === undefined) return listed;
    const { wanted: copiesWanted, away } = copies;
    return { ...listed, copiesWanted, away, backups: listed.backups.map((row) => ({ ...row, copies: copies.of(row.label) })) };
  };

async function withHolds(store: Store, listed: ListedBackups): Promise<ListedBackups> {
  const holds = Map.groupBy(holdsInForce(await store.retention.holds(), Date.now()), ({ label }) => label);
  const backups = listed.backups.map((row) => ({ ...row, holds: holds.get(row.label)?.map(({ label: _, ...hold }) => hold) }));
  return { ...listed, backups };
}

/** But for who holds them. */
export async function listNewest(store: Store, limit: number): Promise<ListedBackups> {
  const named = (await store.backups.selectable()).slice(0, limit);
  const history = await store.backups.history();
  const known = await store.overview.of(history.backups.slice(0, limit));
  const backups: BackupRow[] = [];
  const unreadable: UnreadableBackup[] = [];
  for (let first = 0; first < named.length; first += READ_AT_ONCE) {
    const some = named.slice(first, first + READ_AT_ONCE);
    for (const row of await Promise.all(some.map((each) => readRow(store, { ...each, known: known.get(each.label) }, limit)))) {
      if (row === undefined) continue;
      if ('sentence' in row) unreadable.push(row);
      else backups.push(row);
    }
  }
  const later = laterByClock(history.backups).map(({ label }) => label);
  const isRestorable = backups.find(({ isInUse }) => isInUse)?.restorable !== 'no';
  return {
    repository: store.name,
    backups,
    total: history.backups.length + history.unplaced.length,
    unreadable,
    laterByClock: later.slice(0, LATER_MAX),
    newestRestorable: isRestorable ? undefined : await store.backups.newestRestorable(),
  };
}

type Named = { label: string; isInUse: boolean; /** Without its manifest. */ known: CataloguedBackup | undefined };

/** Undefined if it is gone by now. */
async function readRow(store: Store, { label, isInUse, known }: Named, limit: number): Promise<BackupRow | UnreadableBackup | undefined> {
  const state = known === undefined ? await store.backups.state(label) : { kind: 'known' as const, known };
  if (state.kind === 'absent') return undefined;
  if (state.kind === 'unreadable') return { label, code: state.error.code, sentence: state.error.message };
  const backup = state.kind === 'known' ? state.known : cataloguedOf(state.manifest);
  const names = limit > LISTED_EACH_MAX ? ((await store.facts.byLabel()).get(label) ?? []) : await store.facts.of(label);
  return rowOf(backup, isInUse, await store.facts.checks(names));
}

function rowOf({ writtenAtMs: _, ...backup }: CataloguedBackup, isInUse: boolean, facts: readonly CheckFact[]): BackupRow {
  return { ...backup, isInUse, ...summariseChecks(facts) };
}
