import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { createMemoryRepository } from '../../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../../src/io/repository/port.ts';
import { type Faults, faulty } from '../../../../../src/io/repository/wrap/faulty.ts';
import { retried } from '../../../../../src/io/repository/wrap/retry.ts';
import { testRepository } from '../../../../suites/repository-suite.ts';
import { collect } from '../../../../suites/repository-under-test.ts';

const PATIENCE = { triesMax: 40, firstWaitMs: 0 };
const unavailable = { code: 'repository-unavailable' };

/** The same numbers each time: a failure can be looked at again. @see mulberry32 */
function chances(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const overBadLine = (memory: Repository, faults: Faults): Repository =>
  retried(faulty(memory, { chance: chances(7), ...faults }), PATIENCE);

testRepository({
  name: 'memory, tried again over a bad line',
  open: async () => {
    const repository = overBadLine(createMemoryRepository(), { failing: 0.2, answersLost: 0.2, cut: 0.5 });
    return Promise.resolve({ repository, close: async () => undefined });
  },
  streams: false,
});

testRepository({
  name: 'memory, behind a line that fails never',
  open: async () => Promise.resolve({ repository: faulty(createMemoryRepository(), {}), close: async () => undefined }),
  streams: false,
});

describe('a call that is tried again', () => {
  it('fails with its own reason when all tries have failed', async () => {
    let tries = 0;
    const chance = (): number => {
      tries += 1;
      return 0;
    };
    const repository = retried(faulty(createMemoryRepository(), { failing: 1, chance }), { triesMax: 3, firstWaitMs: 1 });
    await expect(repository.read('a', { sizeBytesMax: 1 })).rejects.toMatchObject(unavailable);
    expect(tries).toBe(3);
    await expect(collect(repository.keys(''))).rejects.toMatchObject(unavailable);
  });
  it('is not tried again where trying does not help', async () => {
    let reads = 0;
    const memory = createMemoryRepository();
    await memory.put('a', Buffer.from('12'));
    const counted: Repository = {
      ...memory,
      read: (key, options) => {
        reads += 1;
        return memory.read(key, options);
      },
    };
    await expect(retried(counted, PATIENCE).read('a', { sizeBytesMax: 1 })).rejects.toMatchObject({ code: 'damaged-object' });
    expect(reads).toBe(1);
  });
  it('waits no longer than its caller wants', async () => {
    const repository = retried(faulty(createMemoryRepository(), { failing: 1 }), { triesMax: 9, firstWaitMs: 60_000 });
    const signal = AbortSignal.timeout(20);
    await expect(repository.deleteMany(['a'], { signal })).rejects.toMatchObject({
      name: expect.stringMatching(/^(Abort|Timeout)Error$/) as string,
    });
    await expect(collect(repository.keys('', { signal }))).rejects.toBeDefined();
  });
  it('knows its own object where the answer to its put was lost, and not another’s', async () => {
    const memory = createMemoryRepository();
    const repository = overBadLine(memory, { answersLost: 0.9 });
    for (let number = 0; number < 20; number += 1) expect(await repository.put(`own/${number}`, Buffer.from('own'))).toBe('stored');
    await memory.put('taken', Buffer.from('another'));
    for (let number = 0; number < 20; number += 1) expect(await repository.put('taken', Buffer.from('own'))).toBe('exists');
  });
  it('goes on in mid-object with a range of it, and says so where the object was removed meanwhile', async () => {
    const memory = createMemoryRepository();
    const content = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 31) % 251));
    await memory.put('a', content);
    const repository = overBadLine(memory, { cut: 0.9 });
    expect((await buffer((await repository.openRead('a'))!)).equals(content)).toBe(true);
    const range = { startBytes: 11, endBytes: 99_999 };
    expect((await buffer((await repository.openRead('a', { range }))!)).equals(content.subarray(11, 99_999))).toBe(true);
    const stream = await overBadLine(memory, { cut: 1 }).openRead('a');
    await memory.deleteMany(['a']);
    await expect(buffer(stream!)).rejects.toMatchObject({ code: 'missing-object' });
  });
});

it('cuts a stream and a listing in the middle, and loses answers, as often as it is told', async () => {
  const memory = createMemoryRepository();
  const bad = faulty(memory, { cut: 1, answersLost: 1, chance: () => 0.5 });
  const keys = Array.from({ length: 80 }, (_, index) => `a/${index}`);
  for (const key of keys) await expect(bad.put(key, Buffer.from('12'))).rejects.toMatchObject(unavailable);
  const given: string[] = [];
  const listing = async (): Promise<void> => {
    for await (const key of bad.keys('')) given.push(key);
  };
  await expect(listing()).rejects.toMatchObject(unavailable);
  expect(given).toEqual(keys.toSorted().slice(0, 50));
  let readBytes = 0;
  const reading = async (): Promise<void> => {
    for await (const chunk of (await bad.openRead('a/0'))!) readBytes += (chunk as Buffer).length;
  };
  await expect(reading()).rejects.toMatchObject(unavailable);
  expect(readBytes).toBe(1);
});
