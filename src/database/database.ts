import { join } from 'node:path';
import { type AgentConfig, type DatabaseConfig, databaseSettings, type ServerConfig, type TimingConfig } from '../config/agent-config.ts';
import { connectRstmdb } from '../io/rstmdb/connect-rstmdb.ts';
import type { Connector } from '../io/rstmdb/instances.ts';
import type { RstmdbClient } from '../io/rstmdb/rstmdb-client.ts';
import { createService, type ServiceConfig } from '../io/service/create-service.ts';
import type { Service } from '../io/service/service.ts';

/**
 * A database on this host, as its agent's config says: opened once by whoever works on it, and handed on. What can be
 * done with it are functions of this room, such as `startServer(database.server)` or `withServerDown`.
 */
export type Database = {
  readonly name: string;
  readonly settings: DatabaseConfig;
  readonly timing: TimingConfig;
  readonly dataDir: string;
  /** The server's log: `wal/` of the data directory. */
  readonly walDir: string;
  readonly server: Server;
  /** Of the agent: what it keeps on this host, and the config file that a process of its own reads again. */
  readonly agent: { readonly stateDir: string; readonly configFile: string };
};

/** The config as it was read, and from where. */
export type HostConfig = { readonly config: AgentConfig; /** Absolute. */ readonly configFile: string };

/** Touches nothing, and asks nobody. Fails: unknown-database. */
export function openDatabase({ config, configFile }: HostConfig, name: string): Database {
  const settings = databaseSettings(config, name);
  const { dataDir } = settings;
  return {
    name,
    settings,
    timing: config.timing,
    dataDir,
    walDir: join(dataDir, 'wal'),
    server: openServer(settings, config.timing),
    agent: { stateDir: config.agent.stateDir, configFile },
  };
}

/** What a server is by its config: a database's own, or one that rstow starts beside it. */
export type ServerSettings = Pick<DatabaseConfig, 'server' | 'dataDir' | 'startTimeoutMs'> & { service: ServiceConfig };

export type AskOptions = {
  signal?: AbortSignal | undefined;
  /** For the connection and for each answer; as long as the server's own `answerMs` at most. */
  answerMs?: number | undefined;
};

/** A database server on this host: how it is asked, and how it is started and stopped. It may be down. */
export type Server = {
  /** `host:port`. */
  readonly address: string;
  readonly dataDir: string;
  readonly service: Service;
  /** From its start to its first answer: it replays its log before it opens its port. */
  readonly startTimeoutMs: number;
  /** How long a server that is well may take to answer. */
  readonly answerMs: number;
  /** Opens one connection after another; whoever gets one closes it. */
  connector(options?: AskOptions): Connector;
  /** Runs `use` on a fresh connection. Fails: server-unreachable, server-refused, invalid-config (a secret file). */
  ask<T>(use: (client: RstmdbClient) => Promise<T>, options?: AskOptions): Promise<T>;
};

/** Touches nothing, and asks nobody. */
export function openServer({ server, service, dataDir, startTimeoutMs }: ServerSettings, timing: TimingConfig): Server {
  const answerMs = timing.serverRequestMs;
  const connector = (options: AskOptions = {}): Connector => serverConnector(server, answerMs, options);
  return {
    address: server.address,
    dataDir,
    service: createService(service, dataDir),
    startTimeoutMs,
    answerMs,
    connector,
    ask: async (use, options) => {
      const client = await connector(options)();
      try {
        return await use(client);
      } finally {
        await client.close();
      }
    },
  };
}

/** Connections to a server, wherever it runs. Its secrets are read anew for each. */
export function serverConnector({ address, tokenFile, tls }: ServerConfig, answerMs: number, options: AskOptions = {}): Connector {
  const timeoutMs = Math.min(answerMs, options.answerMs ?? answerMs);
  const { signal } = options;
  return () => connectRstmdb({ address, tokenFile, tls, connectTimeoutMs: timeoutMs, requestTimeoutMs: timeoutMs, signal });
}
