import { setTimeout as delay } from 'node:timers/promises';

type Limit = { limitMs: number; signal: AbortSignal; /** What it fails with when the time is over. */ late: () => Error };

/**
 * Gives the work so much time. A hung disk answers to no signal: what still comes of the work after that is nobody's, and must do no harm.
 */
export async function inTime<T>({ limitMs, signal, late }: Limit, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController();
  const timer = delay(limitMs, undefined, { signal: ended.signal }).then((): never => {
    throw late();
  });
  try {
    return await Promise.race([work(AbortSignal.any([signal, ended.signal])), timer]);
  } finally {
    ended.abort();
  }
}
