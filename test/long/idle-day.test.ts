/** What an idle database costs in a day where requests are paid for: the agent's own watches, on a clock that a test drives. */
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { goldenSegment } from '../fixtures/wal/golden.ts';
import { countedRepository } from '../support/counted-repository.ts';
import { makeIdleAgent } from '../support/idle-agent.ts';

vi.mock('node:timers/promises', () => ({
  setTimeout: async (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const timer = setTimeout(() => resolve(value), ms);
    const abort = (): void => reject(signal?.reason as Error);
    signal?.addEventListener('abort', abort);
    return promise.finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    });
  },
}));

const HOUR_S = 3600;
let ending = new AbortController();

beforeEach(() => {
  ending = new AbortController();
});

afterEach(() => {
  ending.abort();
  vi.useRealTimers();
});

/** So long the clock jumps at once in a day: no watch looks more often than that here. */
const STEP_S = 30;

/** `doing` is done after each step. */
async function pass(seconds: number, stepS = STEP_S, doing: () => Promise<void> = async () => Promise.resolve()): Promise<void> {
  for (let passed = 0; passed < seconds; passed += stepS) {
    await vi.advanceTimersByTimeAsync(stepS * 1000);
    await doing();
    // What reads files is done by the real clock.
    for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

test('an idle database costs at most 1,000 requests a day', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-idle-'));
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] });
  const { repository, calls } = countedRepository();
  const agent = await makeIdleAgent(folder, repository, { intervalMs: STEP_S * 1000 });
  await agent.start(ending.signal);
  await pass(HOUR_S);
  calls.taken();
  await pass(24 * HOUR_S);
  await rm(folder, { recursive: true });
  expect(calls.taken().length).toBeLessThanOrEqual(1000);
});

test('an archive whose log grows each second costs a request for each look that finds something, and at most 400 more in an hour', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-written-'));
  vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout', 'clearTimeout'] });
  const { repository, calls } = countedRepository();
  const agent = await makeIdleAgent(folder, repository, { keptMs: 600_000 });
  await agent.start(ending.signal);
  const file = join(agent.walDir, segmentFileName(makeSegmentId(1)!));
  const records = goldenSegment();
  const grow = (): Promise<void> => appendFile(file, records);
  await pass(HOUR_S / 4, 1, grow);
  calls.taken();
  await pass(HOUR_S / 2, 1, grow);
  const taken = calls.taken();
  const put = taken.filter((call) => call.startsWith('put') && call.includes('/stream/')).length;
  await rm(folder, { recursive: true });
  expect(put).toBeGreaterThan(HOUR_S / 8);
  expect(taken.length - put).toBeLessThanOrEqual(200);
});
