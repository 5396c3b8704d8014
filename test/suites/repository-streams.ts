import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { AssertionError } from '../../src/core/errors/rstow-error.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { mebibyte, type RepositoryUnderTest } from './repository-under-test.ts';

/** What a repository promises of its streams. */
export function testRanges(subject: () => Repository): void {
  const sizeBytes = 700_000;
  const content = Buffer.from(Array.from({ length: sizeBytes }, (_, index) => (index * 31) % 251));
  it.each([
    [0, 1],
    [0, sizeBytes],
    [0, 0],
    [sizeBytes, sizeBytes],
    [300_000, 300_000],
    [1, 262_145],
    [262_144, 524_288],
    [699_999, 700_000],
    [699_999, 900_000],
    [sizeBytes, 900_000],
    [900_000, 900_001],
  ])('reads the bytes from %i up to %i, as far as there are any', async (startBytes, endBytes) => {
    await subject().put('a', content);
    const stream = await subject().openRead('a', { range: { startBytes, endBytes } });
    expect((await buffer(stream!)).equals(content.subarray(startBytes, endBytes))).toBe(true);
  });
  it('has no range of what is absent, and asserts that a range is one', async () => {
    expect(await subject().openRead('a', { range: { startBytes: 0, endBytes: 1 } })).toBeUndefined();
    for (const range of [
      { startBytes: -1, endBytes: 1 },
      { startBytes: 2, endBytes: 1 },
      { startBytes: 0, endBytes: 1.5 },
    ]) {
      await expect(subject().openRead('a', { range })).rejects.toThrow(AssertionError);
    }
  });
}

type BigObjectUnderTest = Pick<RepositoryUnderTest, 'streams' | 'heldBytesMax'>;

export function testBigObject(subject: () => Repository, { streams, heldBytesMax = 24 * mebibyte }: BigObjectUnderTest): void {
  const bigSizeBytes = Math.max(70 * mebibyte, 2 * heldBytesMax);
  it(`streams ${bigSizeBytes / mebibyte} MiB in and out unchanged, in bounded memory`, { timeout: 60_000 }, async () => {
    const memory = streams ? memoryMeter() : noMeter;
    const staged = await subject().stage('big');
    await pipeline(bigObject(bigSizeBytes, memory), staged.sink);
    expect(await staged.commit('big')).toBe('stored');
    const stream = await subject().openRead('big');
    expect(await countIntact(stream ?? Readable.from([]), memory)).toBe(bigSizeBytes);
    if (streams) expect(memory.peakBytes).toBeLessThan(heldBytesMax);
  });
  it('stops reading when it is told to', async () => {
    const staged = await subject().stage('big');
    await pipeline(Readable.from([Buffer.alloc(mebibyte), Buffer.alloc(4 * mebibyte)]), staged.sink);
    await staged.commit('big');
    const abort = new AbortController();
    const stream = await subject().openRead('big', { signal: abort.signal });
    abort.abort();
    await expect(buffer(stream ?? Readable.from([]))).rejects.toMatchObject({ name: 'AbortError' });
    await expect(subject().openRead('big', { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
  it('stops in mid-object when it is told to', async () => {
    const staged = await subject().stage('big');
    await pipeline(Readable.from([Buffer.alloc(mebibyte), Buffer.alloc(4 * mebibyte)]), staged.sink);
    await staged.commit('big');
    const abort = new AbortController();
    const stream = await subject().openRead('big', { signal: abort.signal });
    const reading = (async (): Promise<void> => {
      for await (const _chunk of stream!) abort.abort();
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    await expect(subject().openRead('big', { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
}

const blockSizeBytes = mebibyte;

/** Between two measurements: each collects garbage, which takes a tenth of a second. */
const MEASURED_BLOCKS = 4;

/** Blocks that tell their place, so that a lost or swapped one is seen. One buffer for each: the sink may hold several. */
function* bigObject(bigSizeBytes: number, memory: MemoryMeter): Generator<Uint8Array> {
  for (let block = 0; block * blockSizeBytes < bigSizeBytes; block += 1) {
    if (block % MEASURED_BLOCKS === 0) memory.measure();
    yield Buffer.alloc(blockSizeBytes, markOf(block));
  }
}

/** What a block's bytes are. A prime number of them: no power of two of blocks looks like another. */
const markOf = (block: number): number => (block % 251) + 1;

async function countIntact(stream: Readable, memory: MemoryMeter): Promise<number> {
  let positionBytes = 0;
  let sinceMeasureBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let index = 0; index < chunk.length; index += 4096) {
      const expected = markOf(Math.floor((positionBytes + index) / blockSizeBytes));
      if (chunk[index] !== expected) return positionBytes + index;
    }
    positionBytes += chunk.length;
    sinceMeasureBytes += chunk.length;
    if (sinceMeasureBytes >= MEASURED_BLOCKS * blockSizeBytes) {
      memory.measure();
      sinceMeasureBytes = 0;
    }
  }
  return positionBytes;
}

/** For what holds everything in memory anyway. */
const noMeter: MemoryMeter = { measure: () => undefined, peakBytes: 0 };

type MemoryMeter = { measure(): void; readonly peakBytes: number };

/** Living buffers above those at the start; collected first, so that garbage does not count. */
function memoryMeter(): MemoryMeter {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  const startBytes = process.memoryUsage().arrayBuffers;
  let peakBytes = 0;
  return {
    measure() {
      collect();
      peakBytes = Math.max(peakBytes, process.memoryUsage().arrayBuffers - startBytes);
    },
    get peakBytes() {
      return peakBytes;
    },
  };
}
