import { setTimeout as delay } from 'node:timers/promises';
import { RstowError } from '../core/errors/rstow-error.ts';

/** One attempt of a step in this agent. */
export type Attempt = {
  /** Aborted as soon as a later attempt of the same step begins here. */
  readonly overtaken: AbortSignal;
  /** Returns when the attempts before it have ended; one that hangs in a system call is waited for no longer than a minute. */
  turn(signal: AbortSignal): Promise<void>;
  end(): void;
};

export type Attempts = { begin(step: string): Attempt };

const PATIENCE_MS = 60_000;

/**
 * An agent that was frozen, or a host that slept, goes on with steps whose heartbeats were missed: Temporal has begun
 * them again by then, in this very process. The later attempt ends the earlier one and waits for it, so that two never
 * work in one place; what the earlier one finds, Temporal doesn't take any more.
 */
export function createAttempts(patienceMs = PATIENCE_MS): Attempts {
  const latest = new Map<string, { overtake: () => void; ended: Promise<void> }>();
  return {
    begin: (step) => {
      const overtaking = new AbortController();
      const before = latest.get(step);
      const { promise, resolve } = Promise.withResolvers<undefined>();
      const ended = Promise.all([promise, before?.ended]).then(() => undefined);
      const own = { overtake: () => overtaking.abort(overtakenError(step)), ended };
      latest.set(step, own);
      before?.overtake();
      return {
        overtaken: overtaking.signal,
        turn: async (signal) => {
          if (before === undefined) return;
          await Promise.race([before.ended, delay(patienceMs, undefined, { signal, ref: false })]);
        },
        end: () => {
          resolve(undefined);
          if (latest.get(step) === own) latest.delete(step);
        },
      };
    },
  };
}

function overtakenError(step: string): RstowError {
  return new RstowError('failed', `another attempt of step ${step} has begun meanwhile`);
}
