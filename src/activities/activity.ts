import { setTimeout as delay } from 'node:timers/promises';
import { ApplicationFailure } from '@temporalio/activity';
import { ROLLED_BACK_CODES } from '../contract/restore.ts';
import { AssertionError, boundedText, RstowError } from '../core/errors/rstow-error.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { currentRun, currentStep, type Origin, type RunPort, type StepOfRun } from './run-port.ts';
import { errorRow } from '../core/errors/error-table.ts';
import { systemFailure, systemMessage } from '../io/files/errno.ts';

/** The body of an activity: it knows its run as a port, and fails with RstowErrors. */
export type ActivityBody<Input, Output> = (input: Input, run: RunPort) => Promise<Output>;

/**
 * Makes an activity of a body: heartbeats while it runs, our errors as Temporal failures, cancellation untouched, and
 * never two attempts of one step at once. The activity ends in its time, though its body may hang: then the body finds
 * its signal aborted and its run closed.
 */
export function activity<Input, Output>(
  deps: ActivityDeps,
  attempts: Attempts,
  body: ActivityBody<Input, Output>,
): (input: Input, origin?: Origin) => Promise<Output | null> {
  return async (input, origin) => {
    const of = currentStep(origin);
    const attempt = attempts.begin(of);
    const run = currentRun(deps.runs, deps.config.timing.heartbeatMs, { of, overtaken: attempt.overtaken });
    const inTurn = async (): Promise<Output> => {
      await attempt.turn(run.signal);
      run.signal.throwIfAborted();
      return body(input, run);
    };
    try {
      // The UI shows null as what it is, and undefined as base64.
      return (await withinDeadline(inTurn(), { limitMs: run.limitMs, signal: run.signal })) ?? null;
    } catch (error) {
      if (run.signal.aborted && !saysWhereTheServerIs(error)) throw run.signal.reason;
      throw activityFailure(error);
    } finally {
      run.stop();
      attempt.end();
    }
  };
}

/** A cancelled swap still has to say that no server came up: the recipe rolls back on it. */
function saysWhereTheServerIs(error: unknown): boolean {
  return error instanceof RstowError && ROLLED_BACK_CODES.includes(error.code);
}

/**
 * The one place where our errors become Temporal failures: code as `type`, details as `details`. What is
 * unknown is retried within the proxy's bound; an assertion is a bug, and trying again can't help.
 */
export function activityFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof RstowError) return failureOf(error);
  if (error instanceof AssertionError) return failureOf(new RstowError('bug', error.message, { cause: error }));
  return failureOf(systemFailure(error) ?? new RstowError('failed', sentenceOf(error), { cause: error }));
}

function failureOf(error: RstowError): ApplicationFailure {
  const { code, cause } = error;
  const nonRetryable = !errorRow(code).retryable;
  const failure = { message: `${code}: ${error.message}`, type: code, nonRetryable, details: [error.details] };
  return ApplicationFailure.create(cause instanceof Error ? { ...failure, cause: boundedCause(cause, CAUSES_MAX) } : failure);
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? systemMessage(error) : String(error);
}

const CAUSES_MAX = 3;
const STACK_LENGTH_MAX = 2_000;

/** A foreign error may hold anything, such as a whole output: Temporal refuses a failure of some megabytes. */
function boundedCause(error: Error, depthMax: number): Error {
  const cause = error.cause instanceof Error && depthMax > 1 ? { cause: boundedCause(error.cause, depthMax - 1) } : {};
  const bounded = new Error(boundedText(error.message), cause);
  bounded.name = error.name;
  bounded.stack = boundedText(error.stack ?? '', STACK_LENGTH_MAX);
  return bounded;
}

/** A body that was asked to stop has so long for it: a server may need its time to end. */
const STOP_MS = 120_000;

type BodyDeadline = {
  /** Undefined: it must come to its end, whatever it takes, also if it is asked to stop. */
  limitMs: number | undefined;
  /** Asks the body to stop. */
  signal: AbortSignal;
};

/**
 * Waits for a body until its time is over, or until it should have stopped. One that hangs in a call of the system can't
 * be ended; it is left to itself, so that its slot is free for others. Fails: failed; the signal's reason; as the body.
 */
export async function withinDeadline<T>(body: Promise<T>, { limitMs, signal }: BodyDeadline): Promise<T> {
  if (limitMs === undefined) return body;
  const { promise: over, reject } = Promise.withResolvers<never>();
  const late = (): void => reject(new RstowError('failed', `the step was not done in ${Math.round(limitMs / 1000)} s, and was left`));
  const timers = [setTimeout(late, limitMs)];
  const onStop = (): void => void timers.push(setTimeout(() => reject(signal.reason), STOP_MS));
  if (signal.aborted) onStop();
  else signal.addEventListener('abort', onStop, { once: true });
  body.catch(() => undefined);
  try {
    return await Promise.race([body, over]);
  } finally {
    signal.removeEventListener('abort', onStop);
    for (const timer of timers) clearTimeout(timer);
  }
}

/** One attempt of a step in this agent. */
type Attempt = {
  /** Aborted as soon as a later attempt of the same step, or a step of a later execution of the run, begins here. */
  readonly overtaken: AbortSignal;
  /** Returns when the attempts before it have ended; one that hangs in a system call is waited for no longer than a minute. */
  turn(signal: AbortSignal): Promise<void>;
  end(): void;
};

type Attempts = { begin(step: StepOfRun): Attempt };

const PATIENCE_MS = 60_000;

type Begun = StepOfRun & { overtake: () => void; ended: Promise<undefined> };

/**
 * An agent that was frozen, or a host that slept, goes on with steps whose heartbeats were missed: Temporal has begun
 * them again by then, in this very process. A run that was reset begins again while a step of it may still be at work.
 * The later attempt ends the earlier ones and waits for them, so that two never work in one place; what an earlier one
 * finds, Temporal doesn't take any more.
 */
export function createAttempts(patienceMs = PATIENCE_MS): Attempts {
  const begun = new Set<Begun>();
  return {
    begin: (of) => {
      const before = [...begun].filter((other) => isOvertaken(other, of));
      const overtaking = new AbortController();
      const { promise: ended, resolve } = Promise.withResolvers<undefined>();
      const own: Begun = { ...of, overtake: () => overtaking.abort(overtakenError(of)), ended };
      begun.add(own);
      for (const { overtake } of before) overtake();
      return {
        overtaken: overtaking.signal,
        turn: async (signal) => {
          if (before.length === 0) return;
          const allEnded = Promise.all(before.map((other) => other.ended));
          await Promise.race([allEnded, delay(patienceMs, undefined, { signal, ref: false })]);
        },
        end: () => {
          resolve(undefined);
          begun.delete(own);
        },
      };
    },
  };
}

function isOvertaken(earlier: StepOfRun, { run, execution, step }: StepOfRun): boolean {
  return earlier.run === run && (earlier.execution !== execution || earlier.step === step);
}

function overtakenError({ run, step }: StepOfRun): RstowError {
  return new RstowError('failed', `run ${run} has begun step ${step} meanwhile, once more`);
}
