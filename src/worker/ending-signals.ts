/** SIGHUP too: it comes when a terminal is closed, and nothing here is read anew on it. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Does the work to its end; SIGTERM, SIGINT and SIGHUP abort its signal. */
export async function withEndingSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  for (const signalName of ENDING) process.once(signalName, stop);
  try {
    return await work(stopping.signal);
  } finally {
    for (const signalName of ENDING) process.off(signalName, stop);
  }
}
