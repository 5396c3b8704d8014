import { cancellationSignal, Context, heartbeat } from '@temporalio/activity';
import type { Caller, StepFacts } from '../replay/progress.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/**
 * What an activity needs of the run that it works for. It is a port so that the same code runs
 * without Temporal.
 */
export type RunPort = Caller & {
  readonly workflowId: string;
  /** Names all that the run leaves. @see Place */
  readonly runId: string;
  /** Of this step, from 1; undefined where nothing is tried again. */
  readonly attempt?: number | undefined;
  /** Aborted when the run is cancelled, terminated, another attempt has taken over, the step's time is over, or this agent shuts down. */
  readonly signal: AbortSignal;
  /** Before an irreversible step. Fails: cancelled (the run is closed, or goes on without this attempt), temporal-unreachable. */
  checkOpen(): Promise<void>;
  /** As Temporal says, not as the run says of itself; undefined for a run of this very process, which Temporal doesn't know. Fails: cancelled, temporal-unreachable. */
  chain(): Promise<RunChain | undefined>;
};

/**
 * A run of this process alone: nobody else knows of it, so that nobody can have closed it, and there is nothing to prove. Without a signal nobody
 * ends it.
 */
export function ownRun(runId: string, signal: AbortSignal = new AbortController().signal): RunPort {
  return {
    workflowId: runId,
    runId,
    signal,
    report: () => undefined,
    checkOpen: () => Promise.resolve(),
    chain: () => Promise.resolve(undefined),
  };
}

type AttemptPort = RunPort & {
  /** How long this attempt may take; undefined: until it is done. */
  limitMs: number | undefined;
  /** The attempt is over: whatever still works for it is to stop. */
  stop(): void;
};

/** A limit of days says that a step must come to its end, whatever it takes. */
const UNLIMITED_MS = 3 * 86_400_000;

/** Whoever watches sees a step's figures so fresh. */
const TICK_MS = 1_000;

/** Under which id the run leaves things, as its place says: the second argument of a step. */
export type Origin = { runId: string };

/** One step of one execution of a run: a reset makes another execution of it. */
export type StepOfRun = { run: string; execution: string; step: string };

const RUN_ID = /^[A-Za-z0-9-]{1,64}$/;

/** The run of the activity that calls this. Heartbeats go on by themselves until `stop`. */
export function currentRun(runs: RunRegistry, heartbeatMs: number, attempt: { of: StepOfRun; overtaken: AbortSignal }): AttemptPort {
  const { workflowExecution, startToCloseTimeoutMs, attempt: attempts } = Context.current().info;
  const { workflowId, runId } = workflowExecution ?? { workflowId: '', runId: '' };
  const { of, overtaken } = attempt;
  const over = new AbortController();
  let facts: StepFacts = {};
  const ticker = setInterval(() => heartbeat(facts), Math.min(TICK_MS, Math.max(100, heartbeatMs / 3)));
  return {
    workflowId,
    runId: of.run,
    attempt: attempts,
    signal: AbortSignal.any([cancellationSignal(), overtaken, over.signal]),
    limitMs: startToCloseTimeoutMs > UNLIMITED_MS ? undefined : startToCloseTimeoutMs,
    report: (reported) => {
      facts = reported;
    },
    checkOpen: async () => {
      if (over.signal.aborted || overtaken.aborted)
        throw new RstowError('cancelled', 'the step’s time was over, and its run goes on without it');
      await runs.checkOpen(workflowId, runId);
    },
    stop: () => {
      clearInterval(ticker);
      over.abort(new RstowError('cancelled', 'the step’s time was over'));
    },
    chain: async () => {
      if (workflowExecution === undefined) throw new RstowError('signature-refused', 'a step that belongs to no run replaces no data');
      return runs.chainOf(workflowId, runId);
    },
  };
}

/** The step that calls this, the same in each of its attempts. */
export function currentStep(origin: Origin | undefined): StepOfRun {
  const { activityId, activityType, workflowExecution } = Context.current().info;
  const execution = workflowExecution?.runId ?? '';
  // It becomes a part of paths and keys.
  const run = origin !== undefined && RUN_ID.test(origin.runId) ? origin.runId : execution;
  return { run, execution, step: `${activityType}/${activityId}` };
}

/** One run of a workflow: its id alone may by now mean a later run. */
export type OneRun = { workflowId: string; runId: string };

/** Who holds a database's lock, and the lock's own run. `runId`: of the execution that is at work, if it was reset. */
export type LockHolder = OneRun & { type: string; sinceMs: number; open: boolean; lockRunId: string };

/** A run and all that continue it, by retry, reset or continue-as-new. */
export type RunChain = { workflowId: string; firstRunId: string; workflowType: string };

/** What rstow asks Temporal about runs; the agent gives it a client. */
export type RunRegistry = {
  /** Fails: cancelled where the run is closed, temporal-unreachable. */
  checkOpen(workflowId: string, runId: string): Promise<void>;
  isOpen(workflowId: string, runId: string): Promise<boolean>;
  /** Fails: cancelled where there is no such run, temporal-unreachable. */
  chainOf(workflowId: string, runId: string): Promise<RunChain>;
  /** Undefined where nobody holds the lock. */
  lockHolder(lockId: string): Promise<LockHolder | undefined>;
  /** Twice: no-op, as for a run that has ended. */
  terminate(run: OneRun, reason: string): Promise<void>;
};
