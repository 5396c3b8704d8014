import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { limited } from '../../../../../src/io/repository/wrap/limit.ts';
import { createCallGate } from '../../../../../src/io/repository/wrap/call-gate.ts';
import { createMemoryRepository } from '../../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../../src/io/repository/port.ts';
import { testRepository } from '../../../../suites/repository-suite.ts';

const BOUNDS = { answerMs: 50, callsMax: 3, unansweredMax: 2, retryMs: 60_000 };
const never = (): Promise<never> => new Promise<never>(() => undefined);
const soon = async (): Promise<string> => Promise.resolve('answer');
const hangs = { code: 'repository-unavailable', message: expect.stringContaining('hangs: it did not answer') as string };

testRepository({
  name: 'memory, behind a gate',
  open: async () => {
    const gate = createCallGate('memory', { ...BOUNDS, answerMs: 60_000 });
    return Promise.resolve({ repository: limited(createMemoryRepository(), gate), close: async () => undefined });
  },
  streams: false,
});

test('gives up a call that is not answered, and fails at once when two have not been', async () => {
  const gate = createCallGate('folder /a', BOUNDS);
  await expect(gate.call('read a', never)).rejects.toMatchObject(hangs);
  await expect(gate.call('read b', soon)).resolves.toBe('answer');
  await expect(gate.call('read c', never)).rejects.toMatchObject(hangs);
  const begins = { count: 0 };
  await expect(gate.call('read d', async () => Promise.resolve((begins.count += 1)))).rejects.toMatchObject(hangs);
  expect(begins.count).toBe(0);
});

test('lets calls through again as soon as those that hung were answered', async () => {
  const gate = createCallGate('folder /a', BOUNDS);
  const disk = Promise.withResolvers<string>();
  const answers = [gate.call('read a', () => disk.promise), gate.call('read b', () => disk.promise)];
  for (const answer of answers) await expect(answer).rejects.toMatchObject(hangs);
  disk.resolve('late');
  await sleep(0);
  expect(gate.unanswered()).toBe(0);
  await expect(gate.call('read c', soon)).resolves.toBe('answer');
});

test('tries a call now and then, for a disk that came back under another name, and never takes more than its threads', async () => {
  const gate = createCallGate('folder /a', { ...BOUNDS, retryMs: 0 });
  for (const doing of ['a', 'b', 'c']) await expect(gate.call(doing, never)).rejects.toMatchObject(hangs);
  await sleep(5);
  await expect(gate.call('d', soon)).rejects.toMatchObject(hangs);
  expect(gate.unanswered()).toBe(3);
});

test('keeps callers waiting while as many calls as may be are at work, and no longer than a call may take', async () => {
  const gate = createCallGate('folder /a', { ...BOUNDS, unansweredMax: 9 });
  const held = ['a', 'b', 'c'].map((doing) => gate.call(doing, never, { slowness: 100 }));
  await expect(gate.call('d', soon)).rejects.toMatchObject(hangs);
  held.forEach((call) => void call.catch(() => undefined));
});

test('gives up a stream whose disk stops answering in the middle', async () => {
  const whole = createMemoryRepository();
  await whole.put('a', Buffer.alloc(1_000_000));
  const stopping: Repository = {
    ...whole,
    openRead: async (key) => {
      const stream = (await whole.openRead(key))!;
      stream[Symbol.asyncIterator] = () => ({ next: never, return: never }) as never;
      return stream;
    },
  };
  const stream = await limited(stopping, createCallGate('folder /a', BOUNDS)).openRead('a');
  await expect(buffer(stream!)).rejects.toMatchObject(hangs);
});

describe('a caller that stops waiting', () => {
  test('is let go at once, and its call is counted as unanswered all the same', async () => {
    const gate = createCallGate('folder /a', BOUNDS);
    const abort = new AbortController();
    const call = gate.call('read a', never, { signal: abort.signal });
    setTimeout(() => abort.abort(), 5);
    await expect(call).rejects.toMatchObject({ name: 'AbortError' });
    expect(gate.unanswered()).toBe(0);
    await sleep(BOUNDS.answerMs + 20);
    expect(gate.unanswered()).toBe(1);
    await expect(gate.call('read b', soon, { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('gives back the place that it waited for', async () => {
    const gate = createCallGate('folder /a', { ...BOUNDS, answerMs: 60_000, callsMax: 1 });
    const disk = Promise.withResolvers<string>();
    const first = gate.call('read a', () => disk.promise);
    const abort = new AbortController();
    const second = gate.call('read b', soon, { signal: abort.signal });
    abort.abort();
    await expect(second).rejects.toMatchObject({ name: 'AbortError' });
    disk.resolve('late');
    await expect(first).resolves.toBe('late');
    await expect(gate.call('read c', soon)).resolves.toBe('answer');
  });

  test('leaves no stream and no staged object open that come too late', async () => {
    const whole = createMemoryRepository();
    await whole.put('a', Buffer.from('1'));
    const streams: Readable[] = [];
    let discarded = 0;
    const slow: Repository = {
      ...whole,
      openRead: async (key, options) => {
        await sleep(100);
        const stream = (await whole.openRead(key, options))!;
        streams.push(stream);
        return stream;
      },
      stage: async (expectedKey) => {
        await sleep(300);
        const staged = await whole.stage(expectedKey);
        const discard = async (): Promise<void> => staged.discard().finally(() => (discarded += 1));
        return { ...staged, discard };
      },
    };
    const repository = limited(slow, createCallGate('folder /a', BOUNDS));
    await expect(repository.openRead('a')).rejects.toMatchObject(hangs);
    await expect(repository.stage('a')).rejects.toMatchObject(hangs);
    await expect.poll(() => [streams.map(({ destroyed }) => destroyed), discarded]).toEqual([[true], 1]);
  });
});
