/** A database whose server runs in a container of an operator's, as the agent on the host knows it. */
import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DATABASE, type DatabaseStack, stackOf } from './database-stack.ts';
import { freePort } from './free-port.ts';
import type { EngineUnderTest } from './container-engines.ts';

export type ContainerDatabase = { stack: DatabaseStack; container: string };

export type ContainerDatabaseOptions = {
  mount: 'bind' | 'volume';
  /** More options of `create`. */
  options?: readonly string[];
};

/** Where the container has its data, unlike the host. */
export const CONTAINER_DATA_DIR = '/var/lib/rstmdb';

/** Makes it and starts its server. Its second servers run in containers as well. */
export async function openContainerDatabase(
  engine: EngineUnderTest,
  { mount, options = [] }: ContainerDatabaseOptions,
): Promise<ContainerDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-container-'));
  const container = basename(folder).toLowerCase();
  const repositoryDir = join(folder, 'repository');
  const dataDir = mount === 'bind' ? join(folder, 'data') : await makeVolume(engine, container);
  await Promise.all([repositoryDir, dataDir].map((path) => mkdir(path, { recursive: true })));
  const address = `127.0.0.1:${await freePort()}`;
  const env = { RSTMDB_DATA: CONTAINER_DATA_DIR, RSTMDB_BIND: address, RSTMDB_COMPACT_ENABLED: 'false', RUST_LOG: 'warn' };
  const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const volume = `${mount === 'bind' ? dataDir : container}:${CONTAINER_DATA_DIR}`;
  await engine.command('create', '--name', container, '--network', 'host', '--volume', volume, ...variables, ...options, engine.image);
  const port = await freePort();
  const plain = {
    agent: { name: 'db1', stateDir: join(folder, 'agent') },
    temporal: { address: 'nobody:1' },
    repositories: { local: { kind: 'folder', path: repositoryDir } },
    databases: {
      [DATABASE]: {
        server: { address },
        dataDir,
        service: { kind: 'docker', engine: engine.engine, container, stopTimeoutMs: 10_000 },
        rehearsal: { container: { engine: engine.engine, image: engine.image, port, options: ['--network', 'host'] }, port },
        repositories: ['local'],
        archive: { enabled: false },
        maxDowntimeMs: 60_000,
        startTimeoutMs: 30_000,
      },
    },
    timing: { tornTailMs: 500 },
  };
  const stack = await stackOf(plain, { folder, dataDir, repositoryDir });
  await mkdir(stack.config.agent.stateDir);
  await stack.startServer();
  return { stack, container };
}

async function makeVolume({ command }: EngineUnderTest, name: string): Promise<string> {
  await command('volume', 'create', name);
  return command('volume', 'inspect', '--format', '{{.Mountpoint}}', name);
}
