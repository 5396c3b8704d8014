import type { ActivityDeps, Events } from '../../activities/activity-deps.ts';
import { findStaleServer } from '../../activities/recovery/ownership.ts';
import { staleSentence } from '../../contract/describe-database.ts';
import type { AgentWorkers } from '../agent-workers.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { createCatchUp } from './catch-up.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';
import { openDatabase } from '../../database/database.ts';
import { compactionSentence } from '../../core/protection/compaction.ts';
import { guardState } from '../../database/guard-state.ts';
import { readServerSettings } from '../../database/server-settings.ts';
import { checkDataDirectoryIsServers } from '../../database/data-directory-check.ts';
import type { Store } from '../../store/store.ts';
import type { Owner } from '../../formats/repository/history.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readBaselineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments } from '../../io/data-directory/segments.ts';

type OwnershipWatch = { deps: ActivityDeps; workers: AgentWorkers; logger: Logger; signal: AbortSignal };

/** A stale server is reported again and again: nobody reads a log from its beginning. */
const STALE_LOG_MS = 600_000;

/** An owner that this agent's own steps have met meanwhile is noticed so much sooner: a recovery here has just made it one. */
const TICKS = 6;

/** Serves exactly the databases that this installation owns, as their repositories say; a change is logged once. */
export function startOwnershipWatch({ deps, workers, logger, signal }: OwnershipWatch): RepeatingTask {
  const report = createReporter(deps.events);
  const staleReportedAtMs = new Map<string, number>();
  const reportStale = async (database: string): Promise<void> => {
    if (performance.now() - (staleReportedAtMs.get(database) ?? -STALE_LOG_MS) < STALE_LOG_MS) return;
    const stale = await findStaleServer(deps)({ database }, { signal });
    if (stale === null) return;
    staleReportedAtMs.set(database, performance.now());
    deps.events.record({ kind: 'server-stale', database, code: 'owner-outdated', ...stale, sentence: staleSentence(database, stale) });
  };
  const catchUp = createCatchUp(deps);
  const noticeServer = createServerNotices(deps);
  const settled = createSettled(deps);
  const pass = async (database: string): Promise<void> => {
    if (await settled.isStill(database)) return;
    const ownership = await ownershipNow(deps, database);
    report(database, ownership);
    if (signal.aborted) return;
    // A repository that is away changes nothing: the last known owner goes on.
    if (ownership.kind !== 'unknown') await workers.serveDatabase(database, ownership.kind === 'mine');
    settled.note(database, ownership);
    if (ownership.kind === 'mine') {
      await catchUp(database).catch((error: unknown) => logger.warn({ database, err: error }, 'keeping the repositories in step failed'));
      await noticeServer(database);
    }
    if (ownership.kind === 'foreign') await reportStale(database);
  };
  const what = (database: string): string => `looking up the owner of ${database}`;
  return startTaskForEach(Object.keys(deps.config.databases), pass, {
    what,
    intervalMs: deps.config.timing.ownerPollMs / TICKS,
    logger,
    signal,
  });
}

/** Each change is logged once. */
function createReporter(events: Events): (database: string, ownership: DatabaseOwnership) => void {
  const reported = new Map<string, string>();
  return (database, ownership) => {
    const why = ownership.kind === 'mine' ? 'this installation owns it' : ownership.why;
    if (reported.get(database) === why) return;
    reported.set(database, why);
    events.record({ kind: 'ownership-changed', database, ownership: ownership.kind, sentence: why });
  };
}

type Settled = { isStill: (database: string) => Promise<boolean>; note: (database: string, ownership: DatabaseOwnership) => void };

/** Repositories are not listed again for a while, as long as the owner is the one that this agent knows. */
function createSettled({ config, seenOwners }: ActivityDeps): Settled {
  const known = new Map<string, { generation: number; atMs: number }>();
  const restMs = config.timing.ownerPollMs * (1 - 1 / TICKS);
  // As it was before the repositories were asked: what a step learns meanwhile must not pass for what they said.
  const asked = new Map<string, number | undefined>();
  return {
    isStill: async (database) => {
      const generation = (await seenOwners.recall(database))?.generation;
      asked.set(database, generation);
      const last = known.get(database);
      return last !== undefined && performance.now() - last.atMs < restMs && last.generation === generation;
    },
    note: (database, { kind }) => {
      const generation = asked.get(database);
      if (kind === 'unknown' || generation === undefined) known.delete(database);
      else known.set(database, { generation, atMs: performance.now() });
    },
  };
}

/** What is wrong with one database must not keep the others from being served. */
async function ownershipNow(deps: ActivityDeps, database: string): Promise<DatabaseOwnership> {
  try {
    return await databaseOwnership(deps, database);
  } catch (error) {
    return { kind: 'unknown', why: String(error) };
  }
}

/** Says in the log what a server's own settings will lose, before it happens. */
type ServerNotices = (database: string) => Promise<void>;

/** Looking for a server reads all of /proc. */
const CHECK_INTERVAL_MS = 60_000;

/** Each change is said once. Twice within a minute: no-op. */
export function createServerNotices(deps: ActivityDeps): ServerNotices {
  const checkedAtMs = new Map<string, number>();
  const said = new Map<string, string>();
  return async (database) => {
    if (performance.now() - (checkedAtMs.get(database) ?? -CHECK_INTERVAL_MS) < CHECK_INTERVAL_MS) return;
    checkedAtMs.set(database, performance.now());
    const opened = openDatabase(deps, database);
    const { compaction } = await readServerSettings(opened);
    const sentence = compactionSentence(database, compaction, await guardState(opened)) ?? '';
    if (sentence !== '' && sentence !== said.get(database)) deps.events.record({ kind: 'server-compacts', database, compaction, sentence });
    said.set(database, sentence);
  };
}

/** `unknown`: no saying now, so whatever was known before goes on. */
type DatabaseOwnership = { kind: 'mine' } | { kind: 'foreign'; why: string } | { kind: 'unknown'; why: string };

const FIRST_GENERATION = 1;

/**
 * Whether this installation may write the database's history. One that nobody owns yet is claimed by the agent whose
 * directory and server it is. Twice: the same answer.
 */
export async function databaseOwnership(deps: ActivityDeps, database: string): Promise<DatabaseOwnership> {
  try {
    const { owner: owners } = deps.catalogueOf(database);
    const { owner, isPrimaryReadable } = await owners.find(owners.keptMs);
    if (owner !== undefined) return ownershipOf(owner, deps);
    if (!isPrimaryReadable) return { kind: 'unknown', why: 'its primary repository is not reachable' };
    return await claim(deps, await deps.openStore(database));
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    return { kind: 'unknown', why: `${error.code}: ${error.message}` };
  }
}

function ownershipOf(owner: Owner, { agent }: ActivityDeps): DatabaseOwnership {
  if (owner.installationId === agent.installationId) return { kind: 'mine' };
  return { kind: 'foreign', why: `agent "${owner.agent}" (installation ${owner.installationId}) owns it` };
}

/** The timeline comes first: an owner whose history has no name would be an owner of nothing. */
async function claim(deps: ActivityDeps, { database, claims, timelines }: Store): Promise<DatabaseOwnership> {
  const { dataDir, walDir, server } = openDatabase(deps, database);
  const segments = await listSegments(walDir);
  if (segments === undefined || segments.length === 0) {
    return { kind: 'foreign', why: `nobody owns it, and ${dataDir} holds no WAL to claim it with` };
  }
  await server.ask((client) => checkDataDirectoryIsServers(server, client));
  const createdAtMs = Date.now();
  // Of a log that another repository has had the beginning of.
  const baseline = await readBaselineFile(walDir);
  const { timeline } = await timelines.create({
    generation: FIRST_GENERATION,
    parent: null,
    baseline: baseline?.segment,
    soundFrom: baseline?.soundFrom,
    why: 'first',
    runId: 'claim',
    createdAtMs,
  });
  const { agent, temporal } = deps;
  const owner: Owner = {
    format: 1,
    generation: FIRST_GENERATION,
    agent: agent.name,
    installationId: agent.installationId,
    temporal,
    timeline,
    claimedAtMs: createdAtMs,
  };
  if (await claims.put(owner)) return { kind: 'mine' };
  return { kind: 'foreign', why: 'another agent claimed it at the same moment' };
}
