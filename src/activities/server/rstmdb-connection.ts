import type { ServerConfig, TimingConfig } from '../../config/agent-config.ts';
import { connectRstmdb } from '../../io/rstmdb/connect-rstmdb.ts';
import type { RstmdbClient } from '../../io/rstmdb/rstmdb-client.ts';

/** Runs `use` on a fresh connection. Fails: server-unreachable, server-refused. */
export async function withServer<T>(
  server: ServerConfig,
  options: { timing: TimingConfig; signal?: AbortSignal },
  use: (client: RstmdbClient) => Promise<T>,
): Promise<T> {
  const { serverRequestMs } = options.timing;
  const client = await connectRstmdb({
    address: server.address,
    ...(server.tokenFile === undefined ? {} : { tokenFile: server.tokenFile }),
    ...(server.tls === undefined ? {} : { tls: definedOnly(server.tls) }),
    connectTimeoutMs: serverRequestMs,
    requestTimeoutMs: serverRequestMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>;
}
