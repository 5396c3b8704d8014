import { ROLLED_BACK_CODES } from '../contract/restore.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { activityFailure } from './activity-failure.ts';
import type { Attempts } from './attempts.ts';
import { withinDeadline } from './body-deadline.ts';
import { currentRun, currentStep, type Origin, type RunPort } from './run-port.ts';

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
