import { type DescribeDatabaseResult, HOLDS_MAX, type ReplacedFolder, UNTESTED_MAX } from '../../contract/describe-database.ts';
import type { BackupRow } from '../../contract/list-backups.ts';
import { promisedExtents, summariseExtents } from '../../core/backup/segment-plan.ts';
import { holdsInForce } from '../../core/retention/hold.ts';
import type { NewestBackup, ServerFacts } from '../../core/protection/verdict.ts';
import type { FactName, TestName, VerificationName } from '../../core/repository/object-keys.ts';
import type { RecoveryTest } from '../../formats/repository/facts.ts';
import { unlessUnreadable } from '../../io/repository/sealed-object.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps, BackupWatch } from '../activity-deps.ts';
import { copiesOf, describeHistory, newestMarks } from './describe-history.ts';
import { type ListBackupsQuery, type ListedBackups, listNewest } from './list-backups.ts';
import { copiesWanted, openFirst } from '../copy/copies-wanted.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { listReplaced } from '../../io/data-directory/restores.ts';
import { guardState } from '../../database/guard-state.ts';
import { readServerSettings } from '../../database/server-settings.ts';
import { checkDataDirectoryIsServers } from '../../database/data-directory-check.ts';
import { type HostConfig, openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';

export type DescribedDatabase = Omit<
  DescribeDatabaseResult,
  'outcome' | 'runId' | 'database' | 'warnings' | 'stale' | 'server' | 'replaced' | 'protection'
> & {
  /** The newest backup of all, if its manifest can't be read. */
  unreadable?: { label: string; code: string } | undefined;
  /** Absent if there are none. */
  formerOwners?: { agent: string; installationId: string }[] | undefined;
};

/** Each is asked for its server. */
const FORMER_OWNERS_MAX = 5;

/** So many are checked: whoever has as many unusable ones gets the answer that there is none. */
const LOOKS_MAX = 50;

/**
 * How well the database is protected, as far as the repository and Temporal know. Fails: unknown-database, unknown-repository,
 * repository-unavailable, temporal-unreachable.
 */
export const describeProtection =
  (deps: ActivityDeps) =>
  async (query: Omit<ListBackupsQuery, 'limit'>): Promise<DescribedDatabase> => ({
    ...(await describeStored(deps)(query)),
    ...(await describeRuns(deps.backupWatch, query.database)),
  });

type DescribedRuns = Pick<DescribedDatabase, 'schedule' | 'lastBackup' | 'archive'>;

/** What Temporal knows of the runs that protect a database. Fails: temporal-unreachable. */
export async function describeRuns(runs: BackupWatch, database: string): Promise<DescribedRuns> {
  return {
    schedule: (await runs.schedule(database)) ?? null,
    lastBackup: (await runs.lastEnded(database)) ?? null,
    archive: (await runs.archive(database)) ?? null,
  };
}

/** What there is without Temporal. */
type StoredDeps = Pick<ActivityDeps, 'config' | 'openStore' | 'catalogueOf'>;

export type DescribedStored = Omit<DescribedDatabase, keyof DescribedRuns>;

/** The same, as far as the repository knows. Fails: unknown-database, unknown-repository, repository-unavailable. */
export const describeStored =
  (deps: StoredDeps) =>
  async ({ database, repository }: Omit<ListBackupsQuery, 'limit'>): Promise<DescribedStored> => {
    const { store } = await openFirst(deps, database, repository);
    const { listed, latest, restorable, unreadable } = await newestBackups(store);
    const { owner } = await store.owner.find();
    const former = (await store.owner.former(owner)).slice(0, FORMER_OWNERS_MAX);
    const tests = await newestTests(store);
    return {
      repository: store.name,
      owner: owner === undefined ? null : { agent: owner.agent, installationId: owner.installationId, generation: owner.generation },
      ...(await describeHistory(store)),
      ...(await newestMarks(store)),
      held: holdsInForce(await store.retention.holds(), Date.now()).slice(0, HOLDS_MAX),
      copies: await copiesOf(deps, database),
      quorum: copiesWanted(deps, { database, repository: store.name })?.quorum,
      backups: listed.total,
      latest,
      restorable,
      unreadable,
      freeBytes: (await store.freeBytes()) ?? null,
      lastVerified: await newestVerified(store),
      tested: await newestHeld(store, tests),
      testFailed: await newestFailed(store, tests[0]),
      untested: await untestedLabels(store),
      formerOwners: former.length === 0 ? undefined : former.map(({ agent, installationId }) => ({ agent, installationId })),
    };
  };

type Newest = Pick<DescribedDatabase, 'latest' | 'restorable' | 'unreadable'> & { listed: ListedBackups };

/** Those of the history in use. Mostly the first one is all that they are. */
async function newestBackups(store: Store): Promise<Newest> {
  const listed = await listNewest(store, 1);
  const [first] = listed.backups;
  if (listed.total === 0) return { listed, latest: null, restorable: null };
  if (first?.isInUse === true && isRestorable(first)) return { listed, latest: first, restorable: newestOf(first) };
  const { backups } = await listNewest(store, LOOKS_MAX);
  const inUse = backups.filter(({ isInUse }) => isInUse);
  const usable = inUse.find(isRestorable);
  const [unreadable] = listed.unreadable;
  return {
    listed,
    latest: inUse[0] ?? null,
    restorable: usable === undefined ? null : newestOf(usable),
    unreadable: unreadable === undefined ? undefined : { label: unreadable.label, code: unreadable.code },
  };
}

function newestOf({ label, createdAtMs, restorable }: BackupRow): NewestBackup {
  return { label, createdAtMs, restorable };
}

function isRestorable({ restorable, failed }: BackupRow): boolean {
  return restorable !== 'no' && failed === undefined;
}

/** What is remembered of the database's own backups, without reading any of it. */
async function namedFacts(store: Store): Promise<FactName[]> {
  const imported = await importedLabels(store);
  return [...(await store.facts.byLabel())].flatMap(([label, names]) => (imported.has(label) ? [] : names));
}

async function importedLabels(store: Store): Promise<Set<string>> {
  const { backups } = await store.backups.history();
  return new Set(backups.filter(({ isImported }) => isImported).map(({ label }) => label));
}

/** Of all backups but imports, the newest first. */
async function newestTests(store: Store): Promise<TestName[]> {
  const names = await namedFacts(store);
  return names.filter((name): name is TestName => name.kind === 'test').sort((left, right) => right.atMs - left.atMs);
}

/** By the names of the facts, and the fact itself if it has to be signed. */
async function newestVerified(store: Store): Promise<DescribedDatabase['lastVerified']> {
  const names = await namedFacts(store);
  const held = names.filter((name): name is VerificationName => name.kind === 'verification' && name.outcome === 'held');
  for (const name of held.sort((left, right) => right.atMs - left.atMs).slice(0, LOOKS_MAX)) {
    if (await store.facts.isProved(name)) return { label: name.label, level: name.level, atMs: name.atMs };
  }
  return null;
}

async function newestFailed(store: Store, newest: TestName | undefined): Promise<DescribedDatabase['testFailed']> {
  const test = newest?.outcome === 'failed' ? await readableTest(store, newest) : undefined;
  return test?.failure === undefined ? null : { label: test.label, atMs: test.atMs, ...test.failure };
}

async function newestHeld(store: Store, names: readonly TestName[]): Promise<DescribedDatabase['tested']> {
  const name = names.find(({ outcome }) => outcome !== 'failed');
  const test = name === undefined ? undefined : await readableTest(store, name);
  if (test === undefined) return null;
  const { label, atMs, rtoMs = 0, seed, end } = test;
  const isPart = seed !== undefined && end !== undefined;
  return { label, atMs, rtoMs, seed: isPart ? seed : undefined, end: isPart ? end : undefined };
}

/** One that rotted tells nothing, and must not keep the rest from being told. */
function readableTest(store: Store, name: TestName): Promise<RecoveryTest | undefined> {
  return unlessUnreadable(store.facts.test(name));
}

/** The newest first. */
async function untestedLabels(store: Store): Promise<string[]> {
  const facts = await store.facts.byLabel();
  const untested: string[] = [];
  const imported = await importedLabels(store);
  const own = (await store.backups.selectable()).filter(({ label }) => !imported.has(label));
  for (const { label } of own.slice(0, UNTESTED_MAX)) {
    const tests = (facts.get(label) ?? []).filter((name): name is TestName => name.kind === 'test');
    if (!(await isTested(store, label, tests))) untested.push(label);
  }
  return untested;
}

/** A test of a random point says nothing of what the backup has after it. */
async function isTested(store: Store, label: string, tests: readonly TestName[]): Promise<boolean> {
  if (tests.some(({ outcome }) => outcome === 'held')) return true;
  const parts = tests.filter(({ outcome }) => outcome === 'held-part');
  if (parts.length === 0) return false;
  const manifest = await store.backups.readable(label);
  if (manifest === undefined) return false;
  const { end } = summariseExtents(promisedExtents(manifest.segments));
  for (const name of parts) if ((await readableTest(store, name))?.end === end) return true;
  return false;
}

export type InspectedHost = { server: ServerFacts; replaced: ReplacedFolder[] };

/** Somebody waits for the answer, and a server that is up gives it in milliseconds. */
const SERVER_ANSWER_MS = 5_000;

/**
 * What the owner's host knows of the database: whether its server answers from the data directory, what the server's
 * own settings would lose, and what restores have kept. A server that is down is an answer. Fails: unknown-database.
 * Twice: asked anew.
 */
export const inspectHost =
  (deps: HostConfig) =>
  async ({ database }: { database: string }, { signal }: Pick<RunPort, 'signal'>): Promise<InspectedHost> => {
    const opened = openDatabase(deps, database);
    const { server, settings } = opened;
    const { compaction } = await readServerSettings(opened);
    const guard = await guardState(opened);
    const replaced = await listReplaced(opened.dataDir);
    const facts = { compaction, guard, backedUpWithinMs: settings.check.backedUpWithinMs };
    try {
      await server.ask((client) => checkDataDirectoryIsServers(server, client), { signal, answerMs: SERVER_ANSWER_MS });
      return { server: facts, replaced: keptOf(replaced, settings.safetyCopyMs) };
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      const failure = { code: error.code, sentence: error.message };
      return { server: { failure, ...facts }, replaced: keptOf(replaced, settings.safetyCopyMs) };
    }
  };

type Replaced = Awaited<ReturnType<typeof listReplaced>>;

function keptOf(replaced: Replaced, safetyCopyMs: number): ReplacedFolder[] {
  return replaced.map(({ runId, path, sizeBytes, keptMs }) => {
    return { runId, path, sizeBytes, keptUntilMs: Date.now() + Math.max(0, safetyCopyMs - keptMs) };
  });
}
