import type { ActivityDeps, Events } from '../../activities/activity-deps.ts';
import { LISTED_LATE_MS } from '../../client/run-records.ts';
import { createEndedBackups, type EndedBackups } from '../temporal/backup-watch.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import type { TemporalConnection } from '../temporal/connection.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

type EndedBackupWatch = {
  deps: Pick<ActivityDeps, 'config' | 'events' | 'searchAttributes'>;
  temporal: TemporalConnection;
  logger: Logger;
  signal: AbortSignal;
};

const INTERVAL_MS = 5_000;

/**
 * Records each backup run that ends, however it does and wherever it ran; at the start the newest of each kind with `isNew: false`.
 * Nothing where the namespace has none of rstow's search attributes.
 */
export function startEndedBackupWatch({ deps, temporal, logger, signal }: EndedBackupWatch): RepeatingTask {
  const record = endedBackupRecorder(createEndedBackups(temporal), deps.events);
  const pass = async (database: string): Promise<void> => {
    if (deps.searchAttributes) await record(database);
  };
  const what = (database: string): string => `listing the backup runs of ${database} that have ended`;
  return startTaskForEach(Object.keys(deps.config.databases), pass, { what, intervalMs: INTERVAL_MS, logger, signal });
}

/** What is called again and again for each database. Fails: temporal-unreachable; what it misses then it records the next time. */
export function endedBackupRecorder(endedBackups: EndedBackups, events: Events): (database: string) => Promise<void> {
  const seen = new Map<string, { sinceMs: number; runIds: ReadonlySet<string> }>();
  return async (database) => {
    const known = seen.get(database);
    const newest = known === undefined ? await endedBackups.newest(database) : [];
    const sinceMs = known?.sinceMs ?? listedBy(newest);
    const ended = await endedBackups.since(database, sinceMs);
    seen.set(database, { sinceMs: Math.max(sinceMs, listedBy(ended)), runIds: new Set(ended.map(({ runId }) => runId)) });
    const fresh = known === undefined ? newest : ended.filter(({ runId }) => !known.runIds.has(runId));
    for (const { runId, workflowId, backupKind, isDone, endedAtMs } of fresh.sort((one, other) => one.endedAtMs - other.endedAtMs)) {
      const facts = { workflowId, runId, backupKind, isDone, endedAtMs, isNew: known !== undefined };
      const sentence = `a backup run ${isDone ? 'is done' : 'has failed'}`;
      events.record({ kind: 'backup-ended', database, ...facts, sentence });
    }
  };
}

/** What ended before is listed by now, by Temporal's clock: an agent that could not ask for long, or whose clock is wrong, misses none. */
function listedBy(ended: readonly { endedAtMs: number }[]): number {
  return Math.max(0, ...ended.map(({ endedAtMs }) => endedAtMs - LISTED_LATE_MS));
}
