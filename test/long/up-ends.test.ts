/** What `rstow up` can't work with ends it: a program that waits for ever for what can't come true looks like protection. */
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { processesWithOpenFilesUnder } from '../../src/io/process/open-files.ts';
import { endHolders } from '../../src/io/service/prove-stopped.ts';
import { freePort } from '../support/free-port.ts';
import { type RstmdbServer, startRstmdb } from '../support/rstmdb-server.ts';
import { runProgram } from '../support/run-program.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';
import { spawnRstow } from '../integration/cli/rstow-process.ts';

/** Promised are 15 s; a machine under load may be three times as slow. */
const ENDS_MS = 45_000;
const NOBODY = 65_534;
const RSTOW = fileURLToPath(new URL('../../bin/rstow', import.meta.url));
const isRoot = process.getuid?.() === 0;

let folder: string;
let server: RstmdbServer;
let stateDir: string;
let port: number;

beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rstow-up-ends-data-'));
  server = await startRstmdb({ dataDir, env: { RSTMDB_COMPACT_ENABLED: 'false' } });
});

afterAll(async () => {
  await server.kill();
  await rm(server.dataDir, { recursive: true, force: true });
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-up-ends-'));
  stateDir = join(folder, 'state');
  port = await freePort();
  await mkdir(join(folder, 'repository'));
});

afterEach(async () => {
  await endHolders(folder, { graceMs: 0 });
  await rm(folder, { recursive: true, force: true });
});

type Circumstances = { dataDir?: string; address?: string; env?: Record<string, string>; user?: number };

async function startUp(circumstances: Circumstances = {}) {
  const { env = {}, user } = circumstances;
  return spawnRstow(['up', '--config', await writeConfig(circumstances)], env, user);
}

async function writeConfig({ dataDir = server.dataDir, address = server.address }: Circumstances): Promise<string> {
  const configFile = join(folder, 'rstow.yaml');
  const config = {
    agent: { name: 'db1', stateDir },
    temporal: { embedded: { port, uiPort: await freePort() } },
    repositories: { local: { kind: 'folder', path: join(folder, 'repository') } },
    databases: { orders: { server: { address }, dataDir, repositories: ['local'] } },
  };
  await writeFile(configFile, stringify(config));
  return configFile;
}

async function endOf(up: Awaited<ReturnType<typeof startUp>>) {
  const startedAtMs = performance.now();
  const exitCode = await up.exitCode;
  expect(performance.now() - startedAtMs).toBeLessThan(ENDS_MS);
  return { exitCode, error: /^error: .*$/m.exec(up.stderr())?.[0] };
}

test('ends, naming the program, if Temporal’s port is taken', { timeout: 2 * ENDS_MS }, async () => {
  const stranger = createServer().listen(port, '127.0.0.1');
  await once(stranger, 'listening');
  try {
    const { exitCode, error } = await endOf(await startUp());
    expect({ exitCode, error }).toEqual({ exitCode: 14, error: expect.stringContaining('error: port-taken: ') as string });
    expect(error).toContain(`process ${process.pid} (`);
    expect(error).toContain(`listens on 127.0.0.1:${port}`);
  } finally {
    stranger.close();
  }
});

test('ends if there is no `temporal` on PATH', { timeout: 2 * ENDS_MS }, async () => {
  const { exitCode, error } = await endOf(await startUp({ env: { PATH: dirname(process.execPath) } }));
  expect({ exitCode, error }).toEqual({ exitCode: 14, error: 'error: temporal-cli-unsuitable: the program `temporal` is not on PATH' });
});

test('ends if the data directory is missing, or another server’s', { timeout: 2 * ENDS_MS }, async () => {
  const missing = await endOf(await startUp({ dataDir: join(folder, 'nowhere') }));
  expect(missing).toEqual({ exitCode: 14, error: `error: data-directory-missing: ${join(folder, 'nowhere')} does not exist` });
  const others = join(folder, 'others');
  await mkdir(join(others, 'wal'), { recursive: true });
  await writeFile(join(others, 'wal', '0000000000000005.wal'), '');
  const foreign = await endOf(await startUp({ dataDir: others }));
  expect(foreign).toEqual({ exitCode: 14, error: expect.stringContaining('error: data-directory-foreign: ') as string });
});

test.skipIf(!isRoot)('ends if its user may not use the data or the state directory (needs root)', { timeout: 2 * ENDS_MS }, async () => {
  await chmod(folder, 0o755);
  await mkdir(stateDir, { mode: 0o700 });
  const data = await endOf(await startUp({ user: NOBODY }));
  expect(data).toEqual({ exitCode: 14, error: `error: permission-denied: this user can't read and write ${server.dataDir}: EACCES` });
  const own = join(folder, 'own');
  await mkdir(own);
  await chmod(own, 0o777);
  const state = await endOf(await startUp({ user: NOBODY, dataDir: own, address: `127.0.0.1:${await freePort()}` }));
  expect(state).toEqual({ exitCode: 14, error: expect.stringMatching(/^error: agent-state-unsupported: .*EACCES$/) as string });
});

test('ends on a signal while Temporal starts', { timeout: 2 * ENDS_MS }, async () => {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const slow = `#!/bin/sh\n[ "$1" = --version ] && exec ${toolPath('temporal')} --version\nexec sleep 600 >>"${folder}/slow.log"\n`;
  await writeFile(join(bin, 'temporal'), slow, { mode: 0o755 });
  const up = await startUp({ env: { PATH: `${bin}:${process.env['PATH'] ?? ''}` } });
  await waitUntil(
    'Temporal is being started',
    async () => (await processesWithOpenFilesUnder(join(folder, 'slow.log'))).length > 0,
    ENDS_MS,
  );
  up.signal('SIGTERM');
  expect(await endOf(up)).toEqual({ exitCode: 0, error: undefined });
});

test('ends Temporal and itself when nobody reads its output any more', { timeout: 4 * ENDS_MS }, async () => {
  const config = await writeConfig({});
  const end = await runProgram('sh', ['-c', '"$@" 2>&1 | head -1', 'sh', RSTOW, 'up', '--config', config]);
  expect(end.stdout.split('\n')).toHaveLength(2);
  expect(await processesWithOpenFilesUnder(folder)).toEqual([]);
});
