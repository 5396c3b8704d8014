/** The Temporal server of `rstow up`, a real one, without an agent. */
import { cp, mkdtemp, readdir, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseServerAddress, portState } from '../../src/io/service/ports.ts';
import { createProcessService } from '../../src/io/service/process-service.ts';
import type { Service } from '../../src/io/service/service.ts';
import { createAgentLogger } from '../../src/worker/telemetry/agent-logger.ts';
import { answeringCluster, devServerCommand, readTemporalState, writeTemporalState } from '../../src/up/dev-server.ts';
import { type EmbeddedTemporal, openEmbeddedTemporal } from '../../src/up/embedded-temporal.ts';
import { freePort } from '../support/free-port.ts';
import { listeningSocketsOf } from '../support/listening-sockets.ts';
import { waitUntil } from '../support/wait-until.ts';

const NINETY_DAYS_SECONDS = 90 * 86_400;
/** Of one namespace, where nothing else is said; a connection carries a hundred calls at once. */
const TEMPORALS_POLLERS_MAX = 1200;
const CALLS_PER_CONNECTION = 100;
const POLL_MS = 4000;
const DEADLINE_EXCEEDED = 4;
/** gRPC's code by which Temporal refuses pollers. */
const RESOURCE_EXHAUSTED = 8;

let folder: string;
let ports: { port: number; uiPort: number };
let ends: (() => Promise<void>)[];

beforeEach(async () => {
  // Temporal makes a URI of its file, in which these characters mean something else.
  folder = await mkdtemp(join(tmpdir(), 'rstow-embedded?a#b%41-'));
  ports = { port: await freePort(), uiPort: await freePort() };
  ends = [];
});

afterEach(async () => {
  for (const end of ends) await end();
  await rm(folder, { recursive: true, force: true });
});

async function open(changes: Partial<typeof ports> = {}): Promise<EmbeddedTemporal> {
  const embedded = await openEmbeddedTemporal({
    folder,
    ports: { ...ports, ...changes },
    namespace: 'default',
    logger: createAgentLogger(),
    signal: new AbortController().signal,
  });
  ends.push(() => embedded.close());
  return embedded;
}

/** What an `up` leaves behind that was killed: its server, started as it starts it. */
async function leftBehind(): Promise<Service> {
  const command = devServerCommand({ ...ports, databaseFile: 'temporal.db', namespace: 'default' });
  const service = createProcessService({ command, env: {}, cwd: folder, stateDir: folder, dataDir: folder, stopTimeoutMs: 5000 });
  await service.start();
  ends.push(() => service.stop());
  return service;
}

async function serverPid(): Promise<number> {
  return (JSON.parse(await readFile(join(folder, 'service.json'), 'utf8')) as { pid: number }).pid;
}

async function isOpen(port: number): Promise<boolean> {
  return (await portState(parseServerAddress(`127.0.0.1:${port}`), 2000)).kind === 'open';
}

test(
  'serves on the configured loopback ports, keeps closed runs for 90 days, and ends when it is closed',
  { timeout: 120_000 },
  async () => {
    const embedded = await open();
    expect(embedded).toMatchObject({ isAdopted: false, address: `127.0.0.1:${ports.port}`, uiUrl: `http://127.0.0.1:${ports.uiPort}` });
    const connection = await Connection.connect({ address: embedded.address });
    const { config } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    await connection.close();
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(NINETY_DAYS_SECONDS);
    const sockets = await listeningSocketsOf(await serverPid());
    expect(sockets.map(({ port }) => port)).toEqual(expect.arrayContaining(Object.values(ports)));
    expect(sockets.filter(({ host }) => host !== '127.0.0.1')).toEqual([]);
    await embedded.close();
    expect(await isOpen(ports.port)).toBe(false);
  },
);

test('starts a server that was killed again, on the same cluster', { timeout: 120_000 }, async () => {
  const { address } = await open();
  const [killed, clusterId] = [await serverPid(), await answeringCluster(address, 'default')];
  process.kill(killed, 'SIGKILL');
  await waitUntil(
    'another server answers',
    async () => (await serverPid()) !== killed && (await answeringCluster(address, 'default')) !== undefined,
    60_000,
  );
  expect(await answeringCluster(address, 'default')).toBe(clusterId);
});

test('takes over the server that a killed `up` left, and not one on other ports', { timeout: 180_000 }, async () => {
  await (await open()).close();
  const { clusterId } = (await readTemporalState(folder))!;
  await leftBehind();
  const left = await serverPid();
  const adopted = await open();
  expect(adopted.isAdopted).toBe(true);
  expect(await serverPid()).toBe(left);
  await adopted.close();

  await leftBehind();
  const elsewhere = await open({ port: await freePort() });
  expect(elsewhere.isAdopted).toBe(false);
  expect(await isOpen(ports.port)).toBe(false);
  expect(await answeringCluster(elsewhere.address, 'default')).toBe(clusterId);
});

test('replaces a server of the same process and ports that serves another cluster than the file holds', { timeout: 120_000 }, async () => {
  await (await open()).close();
  const { clusterId } = (await readTemporalState(folder))!;
  const file = join(folder, 'temporal.db');
  await rename(file, `${file}.kept`);
  await leftBehind();
  const address = `127.0.0.1:${ports.port}`;
  await waitUntil('the other cluster answers', async () => (await answeringCluster(address, 'default')) !== undefined, 60_000);
  expect(await answeringCluster(address, 'default')).not.toBe(clusterId);
  await cp(`${file}.kept`, `${file}.back`);
  await rename(`${file}.back`, file);

  expect((await open()).isAdopted).toBe(false);
  expect(await answeringCluster(address, 'default')).toBe(clusterId);
});

/** Without the client's interceptors, which would try again where Temporal refuses. */
test('bears more pollers than Temporal does by default', { timeout: 120_000 }, async () => {
  const { address } = await open();
  const connections = await Promise.all(
    Array.from({ length: (2 * TEMPORALS_POLLERS_MAX) / CALLS_PER_CONNECTION }, () => Connection.connect({ address, interceptors: [] })),
  );
  const poll = (connection: Connection, index: number): Promise<unknown> =>
    connection.withDeadline(Date.now() + POLL_MS, () =>
      connection.workflowService.pollWorkflowTaskQueue({ namespace: 'default', taskQueue: { name: `queue-${index}` } }),
    );
  const polls = connections.flatMap((connection, index) => Array.from({ length: CALLS_PER_CONNECTION }, () => poll(connection, index)));
  const ends = (await Promise.allSettled(polls)).map((end) =>
    end.status === 'rejected' ? (end.reason as { code: number }).code : undefined,
  );
  await Promise.all(connections.map((connection) => connection.close()));
  expect(ends).not.toContain(RESOURCE_EXHAUSTED);
  const borne = ends.filter((code) => code === undefined || code === DEADLINE_EXCEEDED);
  expect(borne.length).toBeGreaterThan(TEMPORALS_POLLERS_MAX);
});

test('begins anew on a database file that was lost or damaged, and keeps what was there', { timeout: 240_000 }, async () => {
  const file = join(folder, 'temporal.db');
  const damages: [string, () => Promise<void>][] = [
    ['is gone', () => rm(file)],
    ['is empty', () => truncate(file)],
    ['is damaged', async () => truncate(file, Math.floor((await stat(file)).size / 2))],
  ];
  for (const [what, damage] of damages) {
    const whole = await open();
    const before = await answeringCluster(whole.address, 'default');
    await whole.close();
    await damage();
    const embedded = await open();
    expect(embedded.loss).toContain(`${file} ${what}: Temporal begins anew`);
    expect(await answeringCluster(embedded.address, 'default')).not.toBe(before);
    await embedded.close();
  }
  expect((await readdir(folder)).filter((name) => name.includes('.damaged-'))).toHaveLength(2);
  const { loss } = await open();
  expect(loss).toBeUndefined();
});

test('keeps a copy of the database before a newer CLI opens it, and refuses an older one', { timeout: 120_000 }, async () => {
  await (await open()).close();
  const state = (await readTemporalState(folder))!;
  const before = await readFile(join(folder, 'temporal.db'));
  await writeTemporalState(folder, { ...state, cliVersion: '1.0.0' });
  await (await open()).close();
  expect((await readFile(join(folder, 'temporal.db.1.0.0.bak'))).equals(before)).toBe(true);
  expect(await readTemporalState(folder)).toEqual(state);

  await writeTemporalState(folder, { ...state, cliVersion: '99.0.0' });
  await expect(open()).rejects.toMatchObject({ code: 'temporal-cli-unsuitable', message: expect.stringContaining('99.0.0') as string });
  expect(await isOpen(ports.port)).toBe(false);
});

test('refuses a port that another program has, and a file that another server has open', { timeout: 120_000 }, async () => {
  const other = await open();
  const others = folder;
  folder = await mkdtemp(join(tmpdir(), 'rstow-embedded-'));
  await expect(open()).rejects.toMatchObject({ code: 'port-taken', message: expect.stringContaining(`:${ports.port}`) as string });
  await rm(folder, { recursive: true });
  await other.close();

  folder = others;
  const command = devServerCommand({ ...ports, databaseFile: 'temporal.db', namespace: 'default' });
  const elsewhere = await mkdtemp(join(tmpdir(), 'rstow-embedded-'));
  const stranger = createProcessService({ command, env: {}, cwd: folder, stateDir: elsewhere, dataDir: elsewhere, stopTimeoutMs: 5000 });
  await stranger.start();
  ends.push(
    () => stranger.stop(),
    () => rm(elsewhere, { recursive: true, force: true }),
  );
  await waitUntil('the stranger answers', async () => (await answeringCluster(other.address, 'default')) !== undefined, 60_000);
  await expect(open({ port: await freePort(), uiPort: await freePort() })).rejects.toMatchObject({ code: 'busy' });
  expect(await stranger.isRunning()).toBe(true);
});

test(
  'says what is missing where there is no Temporal CLI, and leaves nothing that a later start would trip over',
  { timeout: 120_000 },
  async () => {
    vi.stubEnv('PATH', folder);
    await expect(open()).rejects.toMatchObject({ code: 'temporal-cli-unsuitable', message: 'the program `temporal` is not on PATH' });
    vi.unstubAllEnvs();
    expect((await open()).isAdopted).toBe(false);
  },
);
