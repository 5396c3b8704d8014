import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { createEndedBackups } from '../temporal/backup-watch.ts';
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

/** Temporal may list a run so long after its end. */
const LATE_MS = 120_000;

/**
 * Records each backup run that ends, however it does and wherever it ran; at the start the newest of each kind with `isNew: false`.
 * Nothing where the namespace has none of rstow's search attributes.
 */
export function startEndedBackupWatch({ deps, temporal, logger, signal }: EndedBackupWatch): RepeatingTask {
  const endedBackups = createEndedBackups(temporal);
  const seen = new Map<string, ReadonlySet<string>>();
  const pass = async (database: string): Promise<void> => {
    if (!deps.searchAttributes) return;
    const known = seen.get(database);
    const newest = known === undefined ? await endedBackups.newest(database) : [];
    const ended = await endedBackups.since(database, Date.now() - LATE_MS);
    seen.set(database, new Set(ended.map(({ runId }) => runId)));
    const fresh = known === undefined ? newest : ended.filter(({ runId }) => !known.has(runId));
    for (const { runId, workflowId, backupKind, isDone, endedAtMs } of fresh.sort((one, other) => one.endedAtMs - other.endedAtMs)) {
      const facts = { workflowId, runId, backupKind, isDone, endedAtMs, isNew: known !== undefined };
      const sentence = `a backup run ${isDone ? 'is done' : 'has failed'}`;
      deps.events.record({ kind: 'backup-ended', database, ...facts, sentence });
    }
  };
  const what = (database: string): string => `listing the backup runs of ${database} that have ended`;
  return startTaskForEach(Object.keys(deps.config.databases), pass, { what, intervalMs: INTERVAL_MS, logger, signal });
}
