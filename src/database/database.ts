import { join } from 'node:path';
import { type AgentConfig, type DatabaseConfig, databaseSettings, type TimingConfig } from '../config/agent-config.ts';
import { openServer, type Server } from './server.ts';

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
