/** SIGHUP too: it comes when a terminal is closed, and nothing here is read anew on it. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Does something until it is done; SIGTERM, SIGINT and SIGHUP tell it to come to its end. */
export async function untilTold<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  for (const signalName of ENDING) process.once(signalName, stop);
  try {
    return await work(stopping.signal);
  } finally {
    for (const signalName of ENDING) process.off(signalName, stop);
  }
}
