/** One database as an operator has it: a real server that its own service starts, a repository, and an agent's config. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { stringify } from 'yaml';
import { openServer } from '../../src/database/database.ts';
import { startServer } from '../../src/database/server-start.ts';
import { type AgentConfig, agentConfigSchema, type DatabaseConfig } from '../../src/config/agent-config.ts';
import { openFolderRepository } from '../../src/io/repository/folder.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { endHolders } from '../../src/io/service/prove-stopped.ts';
import type { Service } from '../../src/io/service/service.ts';
import { freePort } from './free-port.ts';
import { toolPath } from './tools.ts';

export const DATABASE = 'orders';

export type StackOptions = {
  temporalAddress: string;
  namespace?: string;
  agentName?: string;
  segmentSizeMb?: number;
  /** A folder that is there and empty, such as on a disk of its own; one in the stack's folder where absent. `remove` leaves it. */
  dataDir?: string;
  /** Below which the agent may restore; the folder for temporary files where absent. */
  restoreRoots?: string[];
  /** Merged into the database's config, its server's and the agent's timing. */
  database?: Record<string, unknown>;
  server?: Record<string, unknown>;
  timing?: Record<string, number>;
  serverEnv?: Record<string, string>;
  /** Of the repository `local`: merged into the folder's settings, or in their place if it has a kind of its own. */
  repository?: Record<string, unknown>;
  /** A second repository, `copy`, in `copyDir`: until some tool puts the first one's copy there, it is away. */
  hasCopy?: boolean;
  /** Further repositories of the database, in this order, by their names. */
  repositories?: Record<string, unknown>;
};

/** The agent's config before it is parsed. */
export type PlainConfig = {
  agent: { name: string; stateDir: string; restoreRoots?: string[] };
  temporal: Record<string, unknown>;
  repositories: Record<string, unknown>;
  databases: Record<string, Record<string, unknown>>;
  timing: Record<string, number>;
};

export type DatabaseStack = {
  folder: string;
  plain: PlainConfig;
  configFile: string;
  config: AgentConfig;
  settings: DatabaseConfig;
  dataDir: string;
  walDir: string;
  address: string;
  repositoryDir: string;
  copyDir: string;
  service: Service;
  openRepository: () => Promise<Repository>;
  startServer: () => Promise<void>;
  /** Another agent's config for the same repository, and for the same database but for what `changes` says of it. */
  writeConfig: (agent: { name: string; stateDir: string }, changes?: Record<string, unknown>) => Promise<string>;
  /** Ends the server and removes everything. */
  remove: () => Promise<void>;
};

/** Seconds where production has minutes. */
const TIMING = {
  heartbeatMs: 1500,
  retryInitialMs: 200,
  retryMaxMs: 1000,
  ownerPollMs: 500,
  tornTailMs: 500,
  stepGiveUpMs: 60_000,
  patienceMs: 30_000,
  probeMs: 8_000,
  transferGiveUpMs: 120_000,
};

/** Makes the stack and starts its server. */
export async function makeDatabaseStack(options: StackOptions): Promise<DatabaseStack> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-stack-'));
  const places = { folder, dataDir: options.dataDir ?? join(folder, 'data'), repositoryDir: join(folder, 'repository') };
  await Promise.all([places.dataDir, places.repositoryDir].map((path) => mkdir(path, { recursive: true })));
  const stack = await stackOf(await plainConfig(options, places), places);
  await stack.startServer();
  return stack;
}

/** A host as its agent's config tells, with that config written into its folder. Its server is not started. */
export async function stackOf(plain: PlainConfig, { folder, dataDir, repositoryDir }: Places): Promise<DatabaseStack> {
  const config = agentConfigSchema.parse(plain);
  const settings = config.databases[DATABASE] as DatabaseConfig;
  const writeConfig: DatabaseStack['writeConfig'] = async (agent, changes = {}) => {
    const configFile = join(folder, `${agent.name}-${basename(agent.stateDir)}-${randomUUID()}.yaml`);
    await writeFile(configFile, stringify({ ...plain, agent, databases: { [DATABASE]: { ...plain.databases[DATABASE], ...changes } } }));
    return configFile;
  };
  const server = openServer(settings, config.timing);
  const { service } = server;
  return {
    folder,
    plain,
    configFile: await writeConfig(plain.agent),
    config,
    settings,
    dataDir,
    walDir: join(dataDir, 'wal'),
    address: settings.server.address,
    repositoryDir,
    copyDir: copyDirOf(repositoryDir),
    service,
    openRepository: () => openFolderRepository(repositoryDir),
    startServer: () => startServer(server),
    writeConfig,
    remove: async () => {
      await service.stop();
      await endHolders(dataDir, { graceMs: 0 });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const copyDirOf = (repositoryDir: string): string => `${repositoryDir}-copy`;

type Places = { folder: string; dataDir: string; repositoryDir: string };

async function plainConfig(options: StackOptions, { folder, dataDir, repositoryDir }: Places): Promise<PlainConfig> {
  const address = `127.0.0.1:${await freePort()}`;
  const env = {
    RSTMDB_DATA: dataDir,
    RSTMDB_BIND: address,
    RSTMDB_WAL_SEGMENT_SIZE_MB: String(options.segmentSizeMb ?? 4),
    RSTMDB_COMPACT_ENABLED: 'false',
    RSTMDB_METRICS_ENABLED: 'false',
    RUST_LOG: 'warn',
    ...options.serverEnv,
  };
  const database = {
    server: { address, ...options.server },
    dataDir,
    service: { kind: 'process', command: [toolPath('rstmdb')], env, stateDir: join(folder, 'service'), stopTimeoutMs: 5000 },
    repositories: ['local', ...(options.hasCopy === true ? ['copy'] : []), ...Object.keys(options.repositories ?? {})],
    maxDowntimeMs: 20_000,
    startTimeoutMs: 30_000,
    // Tests of the archive have one.
    archive: { enabled: false },
    ...options.database,
  };
  return {
    agent: { name: options.agentName ?? 'db1', stateDir: join(folder, 'agent'), restoreRoots: options.restoreRoots ?? [tmpdir()] },
    temporal: { address: options.temporalAddress, namespace: options.namespace ?? 'default' },
    repositories: {
      local:
        options.repository?.['kind'] === undefined ? { kind: 'folder', path: repositoryDir, ...options.repository } : options.repository,
      ...(options.hasCopy === true ? { copy: { kind: 'folder', path: copyDirOf(repositoryDir) } } : {}),
      ...options.repositories,
    },
    databases: { [DATABASE]: database },
    timing: { ...TIMING, ...options.timing },
  };
}
