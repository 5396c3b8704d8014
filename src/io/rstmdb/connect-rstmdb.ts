import type { RstmdbConnectionOptions } from './connection-options.ts';
import { objectText } from './answer.ts';
import { openSocket } from './open-socket.ts';
import { RstmdbClient, TLS_PACE } from './rstmdb-client.ts';
import { readSecretFile } from './secret-file.ts';
import { ping } from './server.ts';

/**
 * Connects, shows the token where there is one, and waits for an answer: some refusals of TLS come only with it.
 * A server that wants a token refuses a client without one at its first request, not here.
 * Fails: invalid-config, server-unreachable, server-refused.
 */
export async function connectRstmdb(options: RstmdbConnectionOptions): Promise<RstmdbClient> {
  const token = options.tokenFile === undefined ? undefined : await readSecretFile(options.tokenFile);
  const client = new RstmdbClient(await openSocket(options), options.tls === undefined ? options : { ...options, pace: TLS_PACE });
  try {
    if (token !== undefined) await client.request('AUTH', objectText({ method: '"bearer"', token: JSON.stringify(token) }));
    await ping(client);
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}
