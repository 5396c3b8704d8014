import { inspectHost } from '../../activities/catalogue/describe-protection.ts';
import { surveyRestart } from '../../activities/check/survey-restart.ts';
import { ownRun } from '../../activities/run-port.ts';
import type { ErrorCode } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
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

/** Where it could not be counted, as of a server that is replaying its log. */
const RETRY_MS = 600_000;

/** So many tries in a row that came to nothing are told, and each one after them. */
const FAILURES_UNTIL_SAID = 3;

/** Counts again and again what a restart of each server would lose, without Temporal: it reads the whole log. What it finds it says as events. */
export function startRestartSurveys({ host, isForeign, intervalMs, logger, signal }: RestartSurveys): RepeatingTask {
  const dueAtMs = new Map<string, number>();
  const failures = new Map<string, number>();
  const failed = (database: string, why: string): void => {
    const count = (failures.get(database) ?? 0) + 1;
    failures.set(database, count);
    if (count < FAILURES_UNTIL_SAID) return;
    const sentence = `what a restart would lose could not be counted, ${count} times in a row: ${why}`;
    host.events.record({ kind: 'restart-uncounted', database, sentence });
  };
  const pass = async (database: string): Promise<void> => {
    if (performance.now() < (dueAtMs.get(database) ?? 0)) return;
    if ((await isForeign(database)) || (await readStopNote(openDatabase(host, database).dataDir)) !== undefined) return;
    const failure = await surveyFailure(host, database, signal);
    if (failure === undefined) {
      dueAtMs.set(database, performance.now() + intervalMs);
      failures.delete(database);
    } else if (failure.code !== SERVER_AWAY || (await isServerUp(host, database, signal))) {
      failed(database, `${failure.code}: ${failure.sentence}`);
    }
  };
  const what = (database: string): string => `counting what a restart of ${database} would lose`;
  return startTaskForEach(Object.keys(host.config.databases), pass, { what, intervalMs: Math.min(RETRY_MS, intervalMs), logger, signal });
}

type Failure = { code: string; sentence: string };

/** Undefined if it was counted. */
async function surveyFailure(host: HostDeps, database: string, signal: AbortSignal): Promise<Failure | undefined> {
  try {
    return (await survey(host, database, signal)).failure;
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof RstowError ? { code: error.code, sentence: error.message } : { code: 'failed', sentence: String(error) };
  }
}

const SERVER_AWAY: string = 'server-unreachable' satisfies ErrorCode;

/** That it is down the looks tell; one that answers them may still be too slow to list its instances. */
async function isServerUp(host: HostDeps, database: string, signal: AbortSignal): Promise<boolean> {
  const { server } = await inspectHost(host)({ database }, { signal });
  return server.failure === undefined;
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
