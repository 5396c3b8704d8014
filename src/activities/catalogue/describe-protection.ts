import { type DescribeDatabaseResult, UNTESTED_MAX } from '../../contract/describe-database.ts';
import type { BackupRow } from '../../contract/list-backups.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import type { NewestBackup } from '../../core/protection/verdict.ts';
import type { TestName } from '../../core/repository/object-keys.ts';
import type { Repository } from '../../io/repository/port.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { listTests, readTest, readTests } from '../recovery-test/record-test.ts';
import { readableManifest, readBackupHistory, selectable } from '../../store/backups.ts';
import { findOwner, formerOwners } from '../../store/ownership.ts';
import { readTimelines } from '../../store/timelines.ts';
import { type ListBackupsQuery, type ListedBackups, readBackups } from './list-backups.ts';

export type DescribedDatabase = Omit<
  DescribeDatabaseResult,
  'outcome' | 'runId' | 'database' | 'warnings' | 'stale' | 'server' | 'replaced' | 'protection'
> & {
  /** The newest of the history in use that can be restored and has failed no check. */
  restorable: NewestBackup | null;
  /** The label of the newest backup of all, where its manifest can't be read. */
  unreadable?: string;
  /** Absent where there are none. */
  formerOwners?: { agent: string; installationId: string }[];
};

/** Each is asked for its server. */
const FORMER_OWNERS_MAX = 5;

/** So many are looked through: whoever has as many unusable ones, or failed tests, is told that there is none. */
const LOOKS_MAX = 50;

/**
 * How well the database is protected, as far as the repository and Temporal know. Fails: unknown-database, unknown-repository,
 * repository-unavailable, temporal-unreachable.
 */
export const describeProtection =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted }: Omit<ListBackupsQuery, 'limit'>): Promise<DescribedDatabase> => {
    const { listed, ...newest } = await newestBackups(deps, { database, ...(wanted === undefined ? {} : { repository: wanted }) });
    const repository = await deps.openRepository(listed.repository);
    const { owner } = await findOwner(deps, database);
    const former = (await formerOwners(deps, database, owner)).slice(0, FORMER_OWNERS_MAX);
    const tests: Tests = { repository, database, names: await listTests(repository, database) };
    return {
      repository: listed.repository,
      owner: owner === undefined ? null : { agent: owner.agent, installationId: owner.installationId, generation: owner.generation },
      timelines: (await readTimelines(repository, database)).size,
      backups: listed.total,
      ...newest,
      schedule: (await deps.backupWatch.schedule(database)) ?? null,
      lastBackup: (await deps.backupWatch.lastEnded(database)) ?? null,
      freeBytes: (await repository.freeBytes()) ?? null,
      tested: await newestHeld(tests),
      testFailed: await newestFailed(tests),
      untested: await untestedLabels(deps, tests),
      ...(former.length === 0 ? {} : { formerOwners: former.map(({ agent, installationId }) => ({ agent, installationId })) }),
    };
  };

type Newest = Pick<DescribedDatabase, 'latest' | 'restorable' | 'unreadable'> & { listed: ListedBackups };

/** Those of the history in use. Mostly the first one is all that they are. */
async function newestBackups(deps: ActivityDeps, wanted: Omit<ListBackupsQuery, 'limit'>): Promise<Newest> {
  const listed = await readBackups(deps)({ ...wanted, limit: 1 });
  const [first] = listed.backups;
  if (listed.total === 0) return { listed, latest: null, restorable: null };
  if (first?.isInUse === true && isRestorable(first)) return { listed, latest: first, restorable: first };
  const { backups } = await readBackups(deps)({ ...wanted, limit: LOOKS_MAX });
  const inUse = backups.filter(({ isInUse }) => isInUse);
  const usable = inUse.find(isRestorable);
  const [unreadable] = listed.unreadable;
  return {
    listed,
    latest: inUse[0] ?? null,
    restorable: usable === undefined ? null : { label: usable.label, createdAtMs: usable.createdAtMs, restorable: usable.restorable },
    ...(unreadable === undefined ? {} : { unreadable }),
  };
}

function isRestorable({ restorable, failed }: BackupRow): boolean {
  return restorable !== 'no' && failed === undefined;
}

type Tests = { repository: Repository; database: string; /** The newest first. */ names: readonly TestName[] };

async function newestFailed({ repository, database, names: [newest] }: Tests): Promise<DescribedDatabase['testFailed']> {
  const test = newest === undefined ? undefined : await readTest(repository, database, newest);
  return test?.failure === undefined ? null : { label: test.label, atMs: test.atMs, ...test.failure };
}

async function newestHeld({ repository, database, names }: Tests): Promise<DescribedDatabase['tested']> {
  for (const name of names.slice(0, LOOKS_MAX)) {
    const test = await readTest(repository, database, name);
    if (test?.held !== true) continue;
    const { label, atMs, rtoMs = 0, seed, end } = test;
    return { label, atMs, rtoMs, ...(seed === undefined || end === undefined ? {} : { seed, end }) };
  }
  return null;
}

/** The newest first. */
async function untestedLabels(deps: ActivityDeps, { repository, database, names }: Tests): Promise<string[]> {
  const untested: string[] = [];
  const tested = new Set(names.map(({ label }) => label));
  for (const { label } of selectable(await readBackupHistory(deps, repository, database)).slice(0, UNTESTED_MAX)) {
    if (!tested.has(label) || !(await isTested(repository, database, label))) untested.push(label);
  }
  return untested;
}

/** A test of a random point says nothing of what the backup has after it. */
async function isTested(repository: Repository, database: string, label: string): Promise<boolean> {
  const held = (await readTests(repository, database, label)).filter((test) => test.held);
  if (held.length === 0) return false;
  if (held.some(({ seed }) => seed === undefined)) return true;
  const manifest = await readableManifest(repository, database, label);
  return manifest !== undefined && held.some(({ end }) => end === summariseExtents(promisedExtents(manifest.segments)).end);
}
