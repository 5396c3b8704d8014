import { setTimeout as delay } from 'node:timers/promises';
import type { StepOfRun } from './run-port.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** One attempt of a step in this agent. */
export type Attempt = {
  /** Aborted as soon as a later attempt of the same step, or a step of a later execution of the run, begins here. */
  readonly overtaken: AbortSignal;
  /** Returns when the attempts before it have ended; one that hangs in a system call is waited for no longer than a minute. */
  turn(signal: AbortSignal): Promise<void>;
  end(): void;
};

export type Attempts = { begin(step: StepOfRun): Attempt };

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
