import { resolve } from 'node:path';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { GuardState } from '../core/guard/guard-state.ts';
import { prepareStart, type StartNote } from '../database/before-start.ts';
import { type Database, openDatabase } from '../database/database.ts';
import { guardState } from '../database/guard-state.ts';
import { loadConfig } from '../worker/load-config.ts';

/** Which databases of a host, by their names; all of its config if none is named. */
export type GuardedHost = { configFile: string | undefined; databases: readonly string[] };

export type PreparedStart = { database: string; notes: StartNote[] };

/**
 * Prepares the starts of servers, each by itself; `onPrepared` is called as soon as one is. Fails: as `prepareStart`, with
 * the first failure, once all the others are prepared; invalid-config, unknown-database.
 */
export async function prepareStarts(host: GuardedHost, onPrepared: (start: PreparedStart) => void): Promise<void> {
  let failure: RstowError | undefined;
  for (const database of await databasesOf(host)) {
    try {
      onPrepared({ database: database.name, notes: await prepareStart(database) });
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
}

/** What the restart guards of this host can do, and what they know. Fails: invalid-config, unknown-database. */
export async function guardStates(host: GuardedHost): Promise<{ database: string; guard: GuardState }[]> {
  const databases = await databasesOf(host);
  return Promise.all(databases.map(async (database) => ({ database: database.name, guard: await guardState(database) })));
}

async function databasesOf({ configFile = DEFAULT_CONFIG_FILE, databases }: GuardedHost): Promise<Database[]> {
  const config = await loadConfig(configFile);
  const names = databases.length === 0 ? Object.keys(config.databases) : databases;
  return names.map((name) => openDatabase({ config, configFile: resolve(configFile) }, name));
}
