import type { Manifest } from '../../config/repository-json/manifest.ts';
import type { RecoveryTest } from '../../config/repository-json/recovery-test.ts';
import { type DescribeDatabaseResult, UNTESTED_MAX } from '../../contract/describe-database.ts';
import type { BackupRow, ListBackupsResult } from '../../contract/list-backups.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { laterByClock } from '../../core/backup/history.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { type CheckFact, standingOf } from '../../core/backup/standing.ts';
import { isObjectDamage, isVerdictOnBackup } from '../../core/errors/object-damage.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Repository } from '../../io/repository/repository.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../database-settings.ts';
import { readTests } from '../recovery-test/record-test.ts';
import { readBackupHistory, readManifest, selectable } from '../stored/backups.ts';
import { findOwner, formerOwners } from '../stored/ownership.ts';
import { readTimelines } from '../stored/timelines.ts';
import { readVerifications } from '../verify/record-verification.ts';

export type ListBackupsQuery = { database: string; repository?: string; limit: number };
export type ListedBackups = Pick<ListBackupsResult, 'repository' | 'backups' | 'total' | 'unreadable' | 'laterByClock'>;
export type DescribedDatabase = Omit<DescribeDatabaseResult, 'outcome' | 'runId' | 'database' | 'warnings' | 'stale'> & {
  /** Absent where there are none. */
  formerOwners?: { agent: string; installationId: string }[];
};

/** So many labels are enough for a warning. */
const LATER_MAX = 5;

/** Each is asked for its server. */
const FORMER_OWNERS_MAX = 5;

/** The newest backups first. Fails: unknown-database, unknown-repository, repository-unavailable. */
export const readBackups =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted, limit }: ListBackupsQuery): Promise<ListedBackups> => {
    const name = repositoryName(databaseSettings(deps.config, database), wanted);
    const repository = await deps.openRepository(name);
    const stored = await readBackupHistory(deps, repository, database);
    const facts = await readFacts(repository, database);
    const backups: BackupRow[] = [];
    const unreadable: string[] = [];
    for (const { label, isInUse } of selectable(stored).slice(0, limit)) {
      const manifest = await readableManifest(repository, database, label);
      if (manifest === undefined) unreadable.push(label);
      else backups.push(rowOf(manifest, isInUse, facts.get(label) ?? []));
    }
    const laterByItsClock = laterByClock(stored.backups).map(({ label }) => label);
    const total = stored.backups.length + stored.unplaced.length;
    return { repository: name, backups, total, unreadable, laterByClock: laterByItsClock.slice(0, LATER_MAX) };
  };

/** How well the database is protected. Fails: unknown-database, unknown-repository, repository-unavailable. */
export const describeProtection =
  (deps: ActivityDeps) =>
  async ({ database, repository: wanted }: Omit<ListBackupsQuery, 'limit'>): Promise<DescribedDatabase> => {
    const listed = await readBackups(deps)({ database, limit: 1, ...(wanted === undefined ? {} : { repository: wanted }) });
    const repository = await deps.openRepository(listed.repository);
    const { owner } = await findOwner(deps, database);
    const former = (await formerOwners(deps, database, owner)).slice(0, FORMER_OWNERS_MAX);
    const tests = await readTests(repository, database);
    const held = tests.filter((test) => test.held);
    return {
      repository: listed.repository,
      owner: owner === undefined ? null : { agent: owner.agent, installationId: owner.installationId, generation: owner.generation },
      timelines: (await readTimelines(repository, database)).size,
      backups: listed.total,
      latest: listed.backups.find(({ isInUse }) => isInUse) ?? null,
      freeBytes: (await repository.freeBytes()) ?? null,
      tested: newestTest(held),
      testFailed: failedTest(tests),
      untested: await untestedLabels(deps, { repository, database, held }),
      ...(former.length === 0 ? {} : { formerOwners: former.map(({ agent, installationId }) => ({ agent, installationId })) }),
    };
  };

/** What is remembered of each backup's bytes, by label. */
async function readFacts(repository: Repository, database: string): Promise<Map<string, CheckFact[]>> {
  const facts = new Map<string, CheckFact[]>();
  const add = (label: string, fact: CheckFact): void => void facts.set(label, [...(facts.get(label) ?? []), fact]);
  for (const { label, level, atMs, failure } of await readVerifications(repository, database)) add(label, { level, atMs, failure });
  // A recovery test that held may have gone up to an earlier point only, so it lifts nothing.
  for (const { label, atMs, failure } of await readTests(repository, database)) {
    if (failure !== undefined && isVerdictOnBackup(failure.code)) add(label, { level: 'replay', atMs, failure });
  }
  return facts;
}

function rowOf(manifest: Manifest, isInUse: boolean, facts: readonly CheckFact[]): BackupRow {
  const { label, timeline, records, machines, instances, stateDigest, restorable, createdAtMs, bytesStored } = manifest;
  const extents = summariseExtents(promisedExtents(manifest.segments));
  const held = { timeline, extents, records, machines, instances, stateDigest, restorable };
  return { label, isInUse, createdAtMs, bytesStored, ...held, ...standingOf(facts) };
}

function failedTest(tests: readonly RecoveryTest[]): DescribedDatabase['testFailed'] {
  const newest = [...tests].sort(byTime).at(-1);
  return newest?.failure === undefined ? null : { label: newest.label, atMs: newest.atMs, ...newest.failure };
}

function newestTest(held: readonly RecoveryTest[]): DescribedDatabase['tested'] {
  const newest = [...held].sort(byTime).at(-1);
  if (newest === undefined) return null;
  const { label, atMs, rtoMs = 0, seed, end } = newest;
  return { label, atMs, rtoMs, ...(seed === undefined || end === undefined ? {} : { seed, end }) };
}

/** The newest first, and no more than fit a payload. */
async function untestedLabels(
  deps: ActivityDeps,
  { repository, database, held }: { repository: Repository; database: string; held: readonly RecoveryTest[] },
): Promise<string[]> {
  const untested: string[] = [];
  for (const { label } of selectable(await readBackupHistory(deps, repository, database))) {
    if (untested.length === UNTESTED_MAX) break;
    const tests = held.filter((test) => test.label === label);
    if (!(await isTested(repository, { database, label, tests }))) untested.push(label);
  }
  return untested;
}

type HeldTests = { database: string; label: string; tests: readonly RecoveryTest[] };

/** A test of a random point says nothing of what the backup has after it. */
async function isTested(repository: Repository, { database, label, tests }: HeldTests): Promise<boolean> {
  if (tests.length === 0) return false;
  if (tests.some(({ seed }) => seed === undefined)) return true;
  const manifest = await readableManifest(repository, database, label);
  return manifest !== undefined && tests.some(({ end }) => end === summariseExtents(promisedExtents(manifest.segments)).end);
}

function byTime(left: RecoveryTest, right: RecoveryTest): number {
  return left.atMs - right.atMs;
}

async function readableManifest(repository: Repository, database: string, label: string): Promise<Manifest | undefined> {
  try {
    return await readManifest(repository, database, label);
  } catch (error) {
    if (error instanceof RstowError && isObjectDamage(error.code)) return undefined;
    throw error;
  }
}
