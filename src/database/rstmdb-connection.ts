import type { ServerConfig, TimingConfig } from '../config/agent-config.ts';
import { connectRstmdb } from '../io/rstmdb/connect-rstmdb.ts';
import type { Connector } from '../io/rstmdb/instance-pages.ts';
import type { RstmdbClient } from '../io/rstmdb/rstmdb-client.ts';

export type ConnectionOptions = { timing: TimingConfig; signal?: AbortSignal | undefined };

/** Runs `use` on a fresh connection. Fails: server-unreachable, server-refused. */
export async function withServer<T>(
  server: ServerConfig,
  options: ConnectionOptions,
  use: (client: RstmdbClient) => Promise<T>,
): Promise<T> {
  const client = await serverConnector(server, options)();
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Opens one connection after another; whoever gets one closes it. */
export function serverConnector({ address, tokenFile, tls }: ServerConfig, { timing, signal }: ConnectionOptions): Connector {
  const { serverRequestMs } = timing;
  return () =>
    connectRstmdb({
      address,
      ...(tokenFile === undefined ? {} : { tokenFile }),
      ...(tls === undefined ? {} : { tls: definedOnly(tls) }),
      connectTimeoutMs: serverRequestMs,
      requestTimeoutMs: serverRequestMs,
      ...(signal === undefined ? {} : { signal }),
    });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function definedOnly<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Defined<T>;
}
