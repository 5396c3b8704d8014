/** Another host for the same database: its own folder, data directory, port, state and agent; the repository is shared. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DATABASE, type DatabaseStack, stackOf } from './database-stack.ts';
import { freePort } from './free-port.ts';

export type StandbyOptions = {
  /** Of the agent; `db2` where absent. */
  name?: string;
  /** Of its server; one on the loopback interface where absent. */
  address?: string;
  /** Of Temporal, as that host knows it; the same where absent. */
  temporalAddress?: string;
  /** Merged into the database's settings. */
  database?: Record<string, unknown>;
};

/** Nothing is on it yet but its config: `configFile` starts its agent, and no server runs. */
export async function makeStandbyHost(stack: DatabaseStack, options: StandbyOptions = {}): Promise<DatabaseStack> {
  const { name = 'db2', address = `127.0.0.1:${await freePort()}` } = options;
  const { plain, repositoryDir } = stack;
  const folder = join(stack.folder, name);
  await mkdir(folder);
  const dataDir = join(folder, 'data');
  const { service, server, ...database } = plain.databases[DATABASE] ?? {};
  const env = { ...(service as { env: Record<string, string> }).env, RSTMDB_DATA: dataDir, RSTMDB_BIND: address };
  const settings = {
    ...database,
    server: { ...(server as object), address },
    dataDir,
    service: { ...(service as object), env, stateDir: join(folder, 'service') },
    standby: true,
    ...options.database,
  };
  const agent = { name, stateDir: join(folder, 'agent') };
  const temporal = options.temporalAddress === undefined ? plain.temporal : { ...plain.temporal, address: options.temporalAddress };
  return stackOf({ ...plain, agent, temporal, databases: { [DATABASE]: settings } }, { folder, dataDir, repositoryDir });
}
