import { getInstance, type Instance } from './instances.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

/** The server answers a connection's requests one after another: a window only has to hide the way there and back. */
const IN_FLIGHT_MAX = 500;
/** What answers that nobody has taken yet may hold; with large instances fewer requests are in flight. */
const BUFFERED_BYTES_MAX = 64 * 1024 * 1024;
const FIRST_GUESS_BYTES = 4 * 1024 * 1024;

/**
 * Gets the instances in the order of their ids; undefined stands for one that is missing.
 * A slow taker slows the requests down: no more than a window of them is ever ahead of it.
 */
export async function* getInstances(client: RstmdbClient, ids: Iterable<string>): AsyncGenerator<Instance | undefined, void, undefined> {
  const inFlight: Promise<Instance | undefined>[] = [];
  let answerBytes = FIRST_GUESS_BYTES;
  for (const id of ids) {
    const request = getInstance(client, id);
    // It is awaited in its turn; until then, and if the taker stops early, its failure must not end the process.
    request.catch(() => undefined);
    inFlight.push(request);
    while (inFlight.length >= windowFor(answerBytes)) {
      const instance = await inFlight.shift();
      answerBytes = Math.max(instance?.ctxText.length ?? 0, answerBytes / 2);
      yield instance;
    }
  }
  for (const request of inFlight) yield await request;
}

function windowFor(answerBytes: number): number {
  return Math.max(1, Math.min(IN_FLIGHT_MAX, Math.floor(BUFFERED_BYTES_MAX / Math.max(answerBytes, 1))));
}
