import { Client, type WorkflowExecutionInfo } from '@temporalio/client';
import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { endedRuns, LISTED_LATE_MS, recordsOf } from '../../client/run-records.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { EndedRun } from '../../formats/repository/facts.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import type { TemporalConnection } from '../temporal/connection.ts';
import { rethrowUnreachable } from '../temporal/run-registry.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

type Deps = Pick<ActivityDeps, 'agent' | 'config' | 'catalogueOf' | 'openStore'>;

type EndedRunWatch = { deps: Deps; temporal: TemporalConnection; logger: Logger; signal: AbortSignal };

const INTERVAL_MS = 10_000;

/** More wait for the next pass: so many are read well within a deadline. */
const AT_ONCE_MAX = 20;

type Place = { database: string; repository: string };

/** Of one place. `sinceMs`: what ended before is recorded, and so is what is in `recorded`. */
type Progress = { sinceMs: number; recorded: Set<string> };

/**
 * Records in each repository of the databases that this agent owns which runs have ended, however they did and wherever they ran: who asked
 * for them, why, and what came of them, for Temporal forgets that. What a repository misses while it is away it gets later, as long as
 * Temporal still knows it.
 */
export function startEndedRunWatch({ deps, temporal, logger, signal }: EndedRunWatch): RepeatingTask {
  const runs = createEndedRuns(temporal);
  const progress = new Map<Place, Progress>();
  const places = Object.entries(deps.config.databases).flatMap(([database, { repositories }]) =>
    repositories.map((repository): Place => ({ database, repository })),
  );
  const pass = async (place: Place): Promise<void> => {
    const { owner } = deps.catalogueOf(place.database);
    // Before Temporal is asked: whoever owns it not would list all of its runs each time.
    if ((await owner.find(owner.keptMs)).owner?.installationId !== deps.agent.installationId) return;
    const before = progress.get(place);
    const ended = await runs.since(place.database, before?.sinceMs ?? 0);
    if (ended.every(({ runId }) => before?.recorded.has(runId))) return;
    progress.set(place, await recordRuns({ deps, runs, ended, before }, place));
  };
  const what = ({ database, repository }: Place): string => `recording in ${repository} which runs of ${database} have ended`;
  return startTaskForEach(places, (place) => pass(place).catch(passOverAway), { what, intervalMs: INTERVAL_MS, logger, signal });
}

/** Others say that a repository is away. */
function passOverAway(error: unknown): void {
  if (!(error instanceof RstowError) || error.code !== 'repository-unavailable') throw error;
}

type Recording = { deps: Deps; runs: EndedRuns; ended: readonly WorkflowExecutionInfo[]; before: Progress | undefined };

/** Fails: repository-unavailable, temporal-unreachable. */
async function recordRuns({ deps, runs, ended, before }: Recording, { database, repository }: Place): Promise<Progress> {
  const store = await deps.openStore(database, repository);
  const recorded = before?.recorded ?? new Set((await store.runs.names()).map(({ runId }) => runId));
  const lacking = ended.filter(({ runId }) => !recorded.has(runId));
  for (const run of await runs.read(lacking.slice(0, AT_ONCE_MAX))) {
    await store.runs.record(run);
    recorded.add(run.runId);
  }
  if (lacking.length > AT_ONCE_MAX) return { sinceMs: before?.sinceMs ?? 0, recorded };
  const newestMs = ended.at(-1)?.closeTime?.getTime() ?? 0;
  return { sinceMs: newestMs - LISTED_LATE_MS, recorded: new Set(ended.map(({ runId }) => runId)) };
}

type EndedRuns = {
  /** Fails: temporal-unreachable. */
  since(database: string, sinceMs: number): Promise<WorkflowExecutionInfo[]>;
  /** Fails: temporal-unreachable. */
  read(runs: readonly WorkflowExecutionInfo[]): Promise<Omit<EndedRun, 'format'>[]>;
};

const REQUEST_MS = 30_000;

function createEndedRuns({ connection, namespace }: TemporalConnection): EndedRuns {
  const client = new Client({ connection, namespace });
  const ask = <T>(question: () => Promise<T>): Promise<T> =>
    connection.withDeadline(Date.now() + REQUEST_MS, question).catch(rethrowUnreachable);
  return {
    since: (database, sinceMs) => ask(() => endedRuns(client, database, sinceMs)),
    read: async (runs) => {
      const records = await ask(() => recordsOf(client, runs));
      return records.map(({ sources: _sources, workflowId = '', endedAtMs = 0, ...record }) => ({ ...record, workflowId, endedAtMs }));
    },
  };
}
