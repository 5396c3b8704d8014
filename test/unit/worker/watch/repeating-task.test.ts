import { pino } from 'pino';
import { expect, test } from 'vitest';
import { startRepeatingTask, startTaskForEach } from '../../../../src/worker/watch/repeating-task.ts';

const logger = pino({ level: 'silent' });

test('does it again after a pass that failed, and ends with the signal', async () => {
  const stopping = new AbortController();
  let passes = 0;
  const pass = async (): Promise<void> => {
    passes += 1;
    if (passes === 1) throw new Error('the repository is away');
    if (passes === 3) stopping.abort();
  };
  const task = startRepeatingTask(pass, { what: 'looking', intervalMs: 1, logger, signal: stopping.signal });
  await task.firstPass;
  await task.ended;
  expect(passes).toBe(3);
});

test('ends at once, in the middle of a long interval', async () => {
  const stopping = new AbortController();
  const task = startRepeatingTask(async () => undefined, { what: 'looking', intervalMs: 3_600_000, logger, signal: stopping.signal });
  await task.firstPass;
  stopping.abort();
  await task.ended;
});

test('does for each thing what a thing that fails or hangs does not keep the others from', async () => {
  const stopping = new AbortController();
  const done: string[] = [];
  const third = Promise.withResolvers<undefined>();
  const pass = async (database: string): Promise<void> => {
    if (database === 'broken') throw new Error('its server can’t start');
    if (database === 'hung') await new Promise<never>(() => undefined);
    done.push(database);
    if (done.length === 3) third.resolve(undefined);
  };
  const what = (database: string): string => `looking at ${database}`;
  startTaskForEach(['broken', 'hung', 'sound'], pass, { what, intervalMs: 1, logger, signal: stopping.signal });
  await third.promise;
  stopping.abort();
  expect(new Set(done)).toEqual(new Set(['sound']));
});

test('says what is wrong with it as long as its last pass failed, or one hangs', async () => {
  const stopping = new AbortController();
  const hanging = Promise.withResolvers<undefined>();
  let passes = 0;
  const pass = async (thing: string): Promise<void> => {
    if (thing === 'well') return;
    passes += 1;
    if (passes === 1) throw new Error('a secret');
    await hanging.promise;
  };
  const options = { what: (thing: string) => `doing ${thing}`, intervalMs: 20, hungMs: 40, logger, signal: stopping.signal };
  const task = startTaskForEach(['well', 'ill'], pass, options);
  await task.firstPass;
  expect(task.fault()).toBe('doing ill: it failed');
  await expect.poll(() => task.fault()).toBe('doing ill: it hangs');
  stopping.abort();
  hanging.resolve(undefined);
  await task.ended;
  expect(task.fault()).toBeUndefined();
});
