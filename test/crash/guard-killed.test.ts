import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { openDatabase } from '../../src/database/database.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { guardState } from '../../src/database/guard-state.ts';
import { applyEvent, listInstances } from '../../src/io/rstmdb/instances.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { guardPinFolder } from '../../src/io/data-directory/pins.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { oddSource, sourceDigest, withClient } from '../support/odd-source.ts';
import { waitUntil } from '../support/wait-until.ts';

const GUARD_MAIN = fileURLToPath(new URL('support/guard-main.ts', import.meta.url));
const ROUNDS = 12;
const COUNTERS = 6;

let running: ChildProcess | undefined;

/** Gives it time to have looked at least once. */
async function startGuard({ configFile }: DatabaseStack): Promise<ChildProcess> {
  const guard = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', GUARD_MAIN, configFile, DATABASE], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running = guard;
  await once(guard.stdout, 'data');
  return guard;
}

async function kill(guard: ChildProcess): Promise<void> {
  guard.kill('SIGKILL');
  if (guard.exitCode === null && guard.signalCode === null) await once(guard, 'exit');
}

afterEach(async () => {
  if (running !== undefined) await kill(running);
});

const idsIn = async (folder: string): Promise<number[]> => ((await listSegments(folder)) ?? []).map(({ segment }) => segment);

async function tickAll({ address }: DatabaseStack): Promise<void> {
  await withClient(address, async (client) => {
    const { instances } = await listInstances(client, { limit: 1_000, offset: 0 });
    for (const { id } of instances) await applyEvent(client, { instanceId: id, event: 'TICK' });
  });
}

async function isAllPinned(stack: DatabaseStack): Promise<boolean> {
  const pinned = new Set(await idsIn(guardPinFolder(stack.dataDir, '0001')));
  return (await idsIn(stack.walDir)).every((segment) => pinned.has(segment));
}

/** Every segment that was ever there, from the first to the newest. */
async function expectWhole(stack: DatabaseStack): Promise<void> {
  const segments = await idsIn(stack.walDir);
  expect(segments).toEqual(Array.from({ length: segments.at(-1) ?? 0 }, (_segment, index) => index + 1));
}

/** One record a segment, so that each COMPACT deletes many. */
async function counters(): Promise<DatabaseStack> {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeCounters(stack.address, { count: COUNTERS });
  return stack;
}

it(`a guard that is killed ${ROUNDS} times at any instant of compactions loses no pin, and the log stays whole`, async () => {
  const stack = await counters();
  let guard = await startGuard(stack);
  for (let round = 0; round < ROUNDS; round += 1) {
    await tickAll(stack);
    await waitUntil('all segments are pinned', () => isAllPinned(stack));
    const killed = sleep(Math.random() * 120).then(() => kill(guard));
    await sleep(Math.random() * 40);
    await compactNow(stack);
    await killed;
    guard = await startGuard(stack);
    await waitUntil('the log is whole again', async () => {
      const state = await guardState(openDatabase(stack, DATABASE));
      return state.kind === 'on' && state.missing.length + state.lost.length + state.unpinned === 0;
    });
    await expectWhole(stack);
  }
  const before = await sourceDigest(stack);
  await kill(guard);
  for (let start = 1; start <= 2; start += 1) {
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  }
});

it('a guard at work beside compactions in a loop, and beside another guard, keeps the log whole', async () => {
  const stack = await counters();
  const guards = [createGuard(openDatabase(stack, DATABASE)), createGuard(openDatabase(stack, DATABASE))];
  const over = new AbortController();
  onTestFinished(() => over.abort());
  const looking = guards.map(async (guard) => {
    while (!over.signal.aborted) {
      await guard.look();
      await sleep(3);
    }
  });
  let segmentsDeleted = 0;
  for (let round = 0; round < 15; round += 1) {
    await tickAll(stack);
    await waitUntil('all segments are pinned', () => isAllPinned(stack));
    segmentsDeleted += (await compactNow(stack)).segmentsDeleted;
    segmentsDeleted += (await compactNow(stack)).segmentsDeleted;
  }
  expect(segmentsDeleted).toBeGreaterThan(50);
  const before = await sourceDigest(stack);
  await sleep(200);
  over.abort();
  await Promise.all(looking);
  await guards[0]?.look();
  await expectWhole(stack);
  for (let start = 1; start <= 2; start += 1) {
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  }
});

it('starts and kills of the server in a loop, with compactions before, lose nothing once the guard has acted', async () => {
  const stack = await counters();
  await startGuard(stack);
  for (let round = 0; round < 6; round += 1) {
    await tickAll(stack);
    await waitUntil('all segments are pinned', () => isAllPinned(stack));
    const before = await sourceDigest(stack);
    await compactNow(stack);
    await waitUntil('the log is whole again', async () => {
      const state = await guardState(openDatabase(stack, DATABASE));
      return state.kind === 'on' && state.missing.length + state.lost.length === 0;
    });
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
    await expectWhole(stack);
  }
  expect((await guardState(openDatabase(stack, DATABASE))).kind).toBe('on');
});
