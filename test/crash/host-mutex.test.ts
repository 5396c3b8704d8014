import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  acquireHostMutex,
  askHolder,
  dataDirectoryMutexName,
  type HostMutex,
  killSocketOwners,
  listeningSocketInode,
} from '../../src/io/mutex/host-mutex.ts';
import { socketInodeOwners } from '../../src/io/process/open-files.ts';
import { processStartTicks } from '../../src/io/process/proc.ts';
import { freezeProcess } from '../support/freeze-process.ts';

const script = fileURLToPath(new URL('support/hold-mutex.ts', import.meta.url));
const noWait = { what: 'the test', waitTimeoutMs: 0 };
const children: ChildProcess[] = [];
let name: string;

beforeEach(() => {
  name = `test/${crypto.randomUUID()}`;
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function contender(what: string, answerTimeoutMs = 5_000): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const child = spawn(process.execPath, [script, name, what, String(answerTimeoutMs)], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return child;
}

function standStill(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);
}

async function holder(what: string): Promise<ChildProcess> {
  const child = contender(what);
  await once(child.stdout, 'data');
  return child;
}

test('names the holder that answers, exactly, and leaves it alive', async () => {
  const beforeMs = Date.now();
  const child = await holder('a restore of orders');
  const pid = child.pid ?? 0;
  const answer = await askHolder(`\0rstow/${name}`, 5_000);
  expect(answer).toMatchObject({ kind: 'holder', holder: { pid, startTicks: await processStartTicks(pid), what: 'a restore of orders' } });
  const sinceMs = answer.kind === 'holder' ? Date.parse(answer.holder.since) : 0;
  expect(sinceMs).toBeGreaterThanOrEqual(beforeMs);
  expect(sinceMs).toBeLessThanOrEqual(Date.now());
  const busy = acquireHostMutex(name, { what: 'the test', waitTimeoutMs: 600, answerTimeoutMs: 300 });
  await expect(busy).rejects.toMatchObject({ code: 'busy', details: { name, pid, what: 'a restore of orders' } });
  expect(child.exitCode ?? child.signalCode).toBeNull();
});

test('is free as soon as its holder was killed', async () => {
  const child = await holder('first');
  const waiting = acquireHostMutex(name, { what: 'the test', waitTimeoutMs: 10_000 });
  await sleep(300);
  child.kill('SIGKILL');
  const killedMs = performance.now();
  const mutex = await waiting;
  expect(performance.now() - killedMs).toBeLessThan(2_000);
  await mutex.release();
});

test('kills a frozen holder and takes over', async () => {
  const child = await holder('frozen');
  await freezeProcess(child.pid!);
  const ended = once(child, 'exit');
  const mutex = await acquireHostMutex(name, { ...noWait, answerTimeoutMs: 500 });
  expect(await ended).toEqual([null, 'SIGKILL']);
  await mutex.release();
});

test('lets only one of many waiters replace a frozen holder, and kills none of them', async () => {
  const frozen = await holder('frozen');
  const waiters = Array.from({ length: 4 }, (_, index) => contender(`waiter ${index}`, 500));
  await sleep(1_000);
  await freezeProcess(frozen.pid!);
  const first = await Promise.race(waiters.map(async (waiter) => once(waiter.stdout, 'data').then(() => waiter)));
  await sleep(1_000);
  expect(waiters.map((waiter) => waiter.exitCode ?? waiter.signalCode)).toEqual([null, null, null, null]);
  await expect(acquireHostMutex(name, noWait)).rejects.toMatchObject({ details: { pid: first.pid } });
});

test('does not call a holder silent because the asker itself stood still', async () => {
  await holder('innocent');
  const asking = askHolder(`\0rstow/${name}`, 500);
  standStill(900);
  expect(await asking).toMatchObject({ kind: 'holder', holder: { what: 'innocent' } });
});

test('makes a second acquire of the same process wait like any other', async () => {
  const first = await acquireHostMutex(name, { ...noWait, what: 'first' });
  await expect(acquireHostMutex(name, noWait)).rejects.toMatchObject({ code: 'busy', details: { pid: process.pid, what: 'first' } });
  const waiting = acquireHostMutex(name, { what: 'second', waitTimeoutMs: 10_000 });
  await sleep(200);
  await first.release();
  await first.release();
  await (await waiting).release();
  await (await acquireHostMutex(name, noWait)).release();
});

test('never kills the process that asks for it', async () => {
  const mutex = await acquireHostMutex(name, noWait);
  const inode = await listeningSocketInode(`\0rstow/${name}`);
  expect((await socketInodeOwners(inode ?? 0)).map(({ pid }) => pid)).toEqual([process.pid]);
  expect(await killSocketOwners(inode ?? 0)).toBe(false);
  await mutex.release();
  expect(await listeningSocketInode(`\0rstow/${name}`)).toBeUndefined();
});

test('is not inherited by a child that outlives its holder', async () => {
  const mutex = await acquireHostMutex(name, noWait);
  const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
  children.push(child);
  await mutex.release();
  await (await acquireHostMutex(name, noWait)).release();
  expect(child.exitCode).toBeNull();
});

test('has one holder at a time', async () => {
  let holders = 0;
  const work = async (): Promise<void> => {
    const mutex: HostMutex = await acquireHostMutex(name, { what: 'work', waitTimeoutMs: 30_000 });
    holders += 1;
    expect(holders).toBe(1);
    await sleep(20);
    holders -= 1;
    await mutex.release();
  };
  await Promise.all(Array.from({ length: 8 }, work));
  expect(holders).toBe(0);
});

test('ends a wait with the reason of the abort', async () => {
  const mutex = await acquireHostMutex(name, noWait);
  const reason = new Error('cancelled by the test');
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 200);
  await expect(acquireHostMutex(name, { ...noWait, waitTimeoutMs: 30_000, signal: controller.signal })).rejects.toBe(reason);
  await mutex.release();
});

test('takes a listener that talks nonsense, or hangs up, for a busy holder', async () => {
  for (const answer of ['nonsense\n', '{"pid":1}\n', '']) {
    const server = createServer((socket) => socket.end(answer)).listen(`\0rstow/${name}`);
    await once(server, 'listening');
    await expect(acquireHostMutex(name, noWait)).rejects.toMatchObject({ code: 'busy', details: { name } });
    server.close();
    await once(server, 'close');
  }
});

test('names a data directory by its inode, whatever path leads to it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-mutex-'));
  try {
    const { dev, ino } = await stat(folder);
    expect(await dataDirectoryMutexName(folder)).toBe(`${dev}:${ino}/data`);
    await symlink(folder, join(folder, 'link'));
    expect(await dataDirectoryMutexName(join(folder, 'link'), 'archive')).toBe(`${dev}:${ino}/archive`);
    await expect(dataDirectoryMutexName(join(folder, 'missing'))).rejects.toMatchObject({ code: 'data-directory-missing' });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
