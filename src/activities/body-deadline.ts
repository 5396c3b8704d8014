import { RstowError } from '../core/errors/rstow-error.ts';

/** A body that was told to stop has so long for it: a server may need its time to end. */
const STOP_MS = 120_000;

export type BodyDeadline = {
  /** Undefined: it must come to its end, whatever it takes, also when it is told to stop. */
  limitMs: number | undefined;
  /** Tells the body to stop. */
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
