/** A second host for the same database: its own data directory, port, state and agent; the repository is shared. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { serviceOf } from '../../src/activities/managed-service.ts';
import { type AgentConfig, agentConfigSchema, type DatabaseConfig } from '../../src/config/agent-config.ts';
import { endHolders } from '../../src/io/service/end-holders.ts';
import type { Service } from '../../src/io/service/service.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { freePort } from './free-port.ts';

export type StandbyHost = {
  configFile: string;
  config: AgentConfig;
  settings: DatabaseConfig;
  dataDir: string;
  service: Service;
  remove: () => Promise<void>;
};

/** `changes` are merged into the database's settings. */
export async function makeStandbyHost(stack: DatabaseStack, changes: Record<string, unknown> = {}): Promise<StandbyHost> {
  const dataDir = join(stack.folder, 'data-2');
  const address = `127.0.0.1:${await freePort()}`;
  const plain = parse(await readFile(stack.configFile, 'utf8')) as Record<string, unknown>;
  const databases = plain['databases'] as Record<string, Record<string, unknown>>;
  const { service, ...database } = databases[DATABASE] ?? {};
  const env = { ...(service as { env: Record<string, string> }).env, RSTMDB_DATA: dataDir, RSTMDB_BIND: address };
  const secondService = { ...(service as object), env, stateDir: join(stack.folder, 'service-2') };
  const second = { ...database, server: { address }, dataDir, service: secondService, standby: true, ...changes };
  const agent = { name: 'db2', stateDir: join(stack.folder, 'agent-2') };
  const text = { ...plain, agent, databases: { [DATABASE]: second } };
  const configFile = join(stack.folder, 'db2.yaml');
  await writeFile(configFile, stringify(text));
  const config = agentConfigSchema.parse(text);
  const settings = config.databases[DATABASE] as DatabaseConfig;
  const managed = serviceOf(settings);
  return {
    configFile,
    config,
    settings,
    dataDir,
    service: managed,
    remove: async () => {
      await managed.stop();
      await endHolders(dataDir, { graceMs: 0 });
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
