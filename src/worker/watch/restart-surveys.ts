import { surveyRestart } from '../../activities/check/survey-restart.ts';
import { ownRun } from '../../activities/run-port.ts';
import { openDatabase } from '../../database/database.ts';
import { localRunMutexName, newLocalRunId } from '../../io/agent-state/run-files.ts';
import { readStopNote } from '../../io/data-directory/rstow-folder.ts';
import { acquireHostMutex } from '../../io/mutex/host-mutex.ts';
import type { HostDeps } from '../agent-deps.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';

type RestartSurveys = {
  host: HostDeps;
  /** Whether another installation looks after it. */
  isForeign: (database: string) => Promise<boolean>;
  /** From one that gave an answer to the next. */
  intervalMs: number;
  logger: Logger;
  signal: AbortSignal;
};

/** Where a server could not be asked, such as one that is replaying its log. */
const RETRY_MS = 600_000;

/** Counts again and again what a restart of each server would lose, without Temporal: it reads the whole log. What it finds it says as events. */
export function startRestartSurveys({ host, isForeign, intervalMs, logger, signal }: RestartSurveys): RepeatingTask {
  const dueAtMs = new Map<string, number>();
  const pass = async (database: string): Promise<void> => {
    if (performance.now() < (dueAtMs.get(database) ?? 0)) return;
    if ((await isForeign(database)) || (await readStopNote(openDatabase(host, database).dataDir)) !== undefined) return;
    const { failure } = await survey(host, database, signal);
    if (failure === undefined) dueAtMs.set(database, performance.now() + intervalMs);
  };
  const what = (database: string): string => `counting what a restart of ${database} would lose`;
  return startTaskForEach(Object.keys(host.config.databases), pass, { what, intervalMs: Math.min(RETRY_MS, intervalMs), logger, signal });
}

/** Under an id of its own, which a mutex holds, so that nobody clears its scratch folder meanwhile. */
async function survey(host: HostDeps, database: string, signal: AbortSignal): ReturnType<ReturnType<typeof surveyRestart>> {
  const runId = newLocalRunId();
  const mutex = await acquireHostMutex(localRunMutexName(runId), { what: `run ${runId}`, waitTimeoutMs: 0 });
  try {
    return await surveyRestart(host)({ database }, ownRun(runId, signal));
  } finally {
    await mutex.release();
  }
}
