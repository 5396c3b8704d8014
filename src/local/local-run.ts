import type { ActivityDeps } from '../activities/activity-deps.ts';
import type { Activities } from '../activities/activities.ts';
import type { RunPort, StepFacts } from '../activities/run-port.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { acquireHostMutex } from '../io/mutex/host-mutex.ts';
import { untilTold } from '../worker/ending-signals.ts';
import { boundActivities } from './bound-activities.ts';
import { localRunMutexName, newLocalRunId } from '../io/agent-state/local-run-id.ts';

/** What tells a person where a run without Temporal is. */
export type LocalWatcher = {
  phase(phase: string): void;
  /** What the step at work says of itself, at most so often as it says so. */
  report(phase: string, facts: StepFacts): void;
};

/** A run of this process alone: its steps are the activities' own bodies, and there is no history. */
export type LocalRun = {
  runId: string;
  startedAtMs: number;
  deps: ActivityDeps;
  /** Given up when a person interrupts. */
  steps: Activities;
  /** Compensations, and whatever has to come to its end. */
  cleanup: Activities;
  phase(phase: string): void;
};

/** Does a run's work until it is done or SIGINT or SIGTERM ends it. Fails: cancelled, and with whatever the work fails. */
export async function withLocalRun<T>(deps: ActivityDeps, watcher: LocalWatcher, work: (run: LocalRun) => Promise<T>): Promise<T> {
  const runId = newLocalRunId();
  return untilTold(async (told) => {
    const mutex = await acquireHostMutex(localRunMutexName(runId), { what: `run ${runId}`, waitTimeoutMs: 0 });
    try {
      return await work(localRun({ deps, watcher, runId, told }));
    } finally {
      await mutex.release();
    }
  });
}

type Parts = { deps: ActivityDeps; watcher: LocalWatcher; runId: string; told: AbortSignal };

function localRun({ deps, watcher, runId, told }: Parts): LocalRun {
  const interrupted = new AbortController();
  told.addEventListener('abort', () => interrupted.abort(new RstowError('cancelled', 'the run was interrupted')), { once: true });
  let current = '';
  const port: RunPort = {
    workflowId: runId,
    runId,
    signal: interrupted.signal,
    report: (facts) => watcher.report(current, facts),
    // Nobody but this process knows of the run, so nobody can have closed it.
    checkOpen: () => Promise.resolve(),
    // Whoever runs it reads the agent's own files: there is nothing to prove.
    chain: () => Promise.resolve(undefined),
  };
  return {
    runId,
    startedAtMs: Date.now(),
    deps,
    steps: boundActivities(deps, port),
    cleanup: boundActivities(deps, { ...port, signal: new AbortController().signal }),
    phase: (phase) => {
      current = phase;
      watcher.phase(phase);
    },
  };
}
