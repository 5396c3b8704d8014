import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/core/errors/assert.ts';
import type { Repository } from '../../src/io/repository/port.ts';

export type RepositoryUnderTest = {
  name: string;

  /** Opens a fresh, empty repository. */
  open(): Promise<{ repository: Repository; close(): Promise<void> }>;

  /** Whether big objects pass through a bounded part of memory. */
  streams: boolean;
};

const mebibyte = 1024 * 1024;
const text = (content: string): Uint8Array => Buffer.from(content);

async function keysOf(repository: Repository, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of repository.list(prefix)) keys.push(key);
  return keys;
}

async function contentOf(repository: Repository, key: string): Promise<string | undefined> {
  const bytes = await repository.read(key, { sizeBytesMax: mebibyte });
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

async function stageText(repository: Repository, content: string) {
  const staged = await repository.stage();
  await pipeline(Readable.from([text(content)]), staged.sink);
  return staged;
}

/** What every repository promises, asked of one implementation. */
export function testRepository(under: RepositoryUnderTest): void {
  describe(`repository: ${under.name}`, () => {
    let repository: Repository;
    let opened: Awaited<ReturnType<RepositoryUnderTest['open']>>;
    beforeEach(async () => {
      opened = await under.open();
      ({ repository } = opened);
    });
    afterEach(() => opened.close());
    testSmallObjects(() => repository);
    testStaging(() => repository);
    testListing(() => repository);
    testMovesAndDeletions(() => repository);
    testBigObject(() => repository, under.streams);
  });
}

function testSmallObjects(subject: () => Repository): void {
  it('reads back what was put, and undefined for what was not', async () => {
    expect(await subject().put('databases/orders/a.json', text('one'))).toBe('stored');
    expect(await contentOf(subject(), 'databases/orders/a.json')).toBe('one');
    expect(await contentOf(subject(), 'databases/orders/b.json')).toBeUndefined();
    expect(await contentOf(subject(), 'elsewhere/a.json')).toBeUndefined();
    expect(await subject().openRead('databases/orders/b.json')).toBeUndefined();
    expect(await subject().openRead('elsewhere/deep/b.json')).toBeUndefined();
  });
  it('never replaces an object by a put', async () => {
    expect(await subject().put('a', text('one'))).toBe('stored');
    expect(await subject().put('a', text('two'))).toBe('exists');
    expect(await contentOf(subject(), 'a')).toBe('one');
    expect(await keysOf(subject(), '')).toEqual(['a']);
  });
  it('keeps its own copy of the bytes that were put', async () => {
    const bytes = text('one');
    await subject().put('a', bytes);
    bytes.fill(0);
    expect(await contentOf(subject(), 'a')).toBe('one');
  });
  it('stores an empty object', async () => {
    expect(await subject().put('a', text(''))).toBe('stored');
    expect(await contentOf(subject(), 'a')).toBe('');
    const stream = await subject().openRead('a');
    expect(stream === undefined ? undefined : (await buffer(stream)).length).toBe(0);
    const staged = await stageText(subject(), '');
    expect(await staged.commit('b')).toBe('stored');
    expect(await contentOf(subject(), 'b')).toBe('');
  });
  it('refuses to read an object that is larger than its kind allows', async () => {
    await subject().put('a', text('12345'));
    expect(Buffer.from((await subject().read('a', { sizeBytesMax: 5 })) ?? '').toString()).toBe('12345');
    await expect(subject().read('a', { sizeBytesMax: 4 })).rejects.toMatchObject({ code: 'damaged-object' });
  });
  it('lets one of 20 concurrent puts of one key win', async () => {
    const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`);
    const outcomes = await Promise.all(contents.map((content) => subject().put('a/b', text(content))));
    expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
    expect(await contentOf(subject(), 'a/b')).toBe(contents[outcomes.indexOf('stored')]);
  });
  it.each(['', '/a', 'a/', 'a//b', '..', 'a/../b', './a', 'a b', 'ä', 'a\0', '.tmp/a', 'x'.repeat(513)])(
    'asserts that %j is no key',
    async (key) => {
      await expect(subject().put(key, text('x'))).rejects.toThrow(AssertionError);
      await expect(subject().read(key, { sizeBytesMax: 1 })).rejects.toThrow(AssertionError);
      await expect(subject().openRead(key)).rejects.toThrow(AssertionError);
      await expect(subject().delete(key)).rejects.toThrow(AssertionError);
      await expect(subject().move(key, 'a')).rejects.toThrow(AssertionError);
      await expect(subject().move('a', key)).rejects.toThrow(AssertionError);
    },
  );
}

function testStaging(subject: () => Repository): void {
  it('shows a staged object only after its commit', async () => {
    const staged = await stageText(subject(), 'one');
    expect(await keysOf(subject(), '')).toEqual([]);
    expect(await staged.commit('a/b')).toBe('stored');
    expect(await contentOf(subject(), 'a/b')).toBe('one');
    await staged.discard();
    expect(await contentOf(subject(), 'a/b')).toBe('one');
  });
  it('answers a commit of a taken key with exists, and keeps the first', async () => {
    await subject().put('a', text('one'));
    const staged = await stageText(subject(), 'two');
    expect(await staged.commit('a')).toBe('exists');
    expect(await contentOf(subject(), 'a')).toBe('one');
    expect(await keysOf(subject(), '')).toEqual(['a']);
  });
  it('lets one of 20 concurrent commits of one key win, with its content', async () => {
    const contents = Array.from({ length: 20 }, (_, index) => `content ${index}`);
    const staged = await Promise.all(contents.map((content) => stageText(subject(), content)));
    const outcomes = await Promise.all(staged.map((one) => one.commit('deep/er/key')));
    expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
    expect(await contentOf(subject(), 'deep/er/key')).toBe(contents[outcomes.indexOf('stored')]);
  });
  it('leaves nothing of a discarded object, and discards twice', async () => {
    const finished = await stageText(subject(), 'one');
    await finished.discard();
    await finished.discard();
    const begun = await subject().stage();
    begun.sink.write(text('one'));
    await begun.discard();
    expect(await keysOf(subject(), '')).toEqual([]);
  });
  it('lists nothing of an object whose stream was aborted midway', async () => {
    const abort = new AbortController();
    const staged = await subject().stage();
    async function* endless() {
      for (;;) {
        yield Buffer.alloc(64 * 1024);
        abort.abort();
      }
    }
    await expect(pipeline(endless(), staged.sink, { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
    await expect(staged.commit('a')).rejects.toThrow(AssertionError);
    await staged.discard();
    expect(await keysOf(subject(), '')).toEqual([]);
  });
}

function testListing(subject: () => Repository): void {
  const sorted = ['a-b/c', 'a.json', 'a/b.x/c', 'a/b0', 'b/10', 'b/9'];
  it('lists sizes', async () => {
    await subject().put('a/b', text('12345'));
    const objects = [];
    for await (const object of subject().list('a/')) objects.push(object);
    expect(objects).toEqual([{ key: 'a/b', sizeBytes: 5 }]);
  });
  it('lists in the order of whole keys, however they were put', async () => {
    for (const key of sorted.toReversed()) await subject().put(key, text('x'));
    expect(await keysOf(subject(), '')).toEqual(sorted);
  });
  it('takes any beginning of a key as a prefix', async () => {
    for (const key of ['a/b/one', 'a/bc/two', 'a/c', 'b']) await subject().put(key, text('x'));
    expect(await keysOf(subject(), 'a/b')).toEqual(['a/b/one', 'a/bc/two']);
    expect(await keysOf(subject(), 'a/b/')).toEqual(['a/b/one']);
    expect(await keysOf(subject(), 'a/b/one')).toEqual(['a/b/one']);
    expect(await keysOf(subject(), 'a/b/one/')).toEqual([]);
    expect(await keysOf(subject(), 'c/d/')).toEqual([]);
  });
  it('lists a folder of 300 objects whole', async () => {
    const keys = Array.from({ length: 300 }, (_, index) => `many/${String(index).padStart(3, '0')}`);
    await Promise.all(keys.map((key) => subject().put(key, text(key))));
    expect(await keysOf(subject(), 'many/')).toEqual(keys);
  });
  it.each(['/', '../', 'a/../b', 'a//'])('asserts that %j begins no key', async (prefix) => {
    await expect(keysOf(subject(), prefix)).rejects.toThrow(AssertionError);
  });
}

function testMovesAndDeletions(subject: () => Repository): void {
  it('moves once and stays moved the second time', async () => {
    await subject().put('a/b', text('one'));
    await subject().move('a/b', 'trash/a/b');
    await subject().move('a/b', 'trash/a/b');
    expect(await keysOf(subject(), '')).toEqual(['trash/a/b']);
    expect(await contentOf(subject(), 'trash/a/b')).toBe('one');
  });
  it('replaces by a move what an earlier one left there', async () => {
    await subject().put('trash/a', text('old'));
    await subject().put('a', text('new'));
    await subject().move('a', 'trash/a');
    expect(await contentOf(subject(), 'trash/a')).toBe('new');
    expect(await keysOf(subject(), '')).toEqual(['trash/a']);
  });
  it('keeps an object that is moved to itself', async () => {
    await subject().put('a', text('one'));
    await subject().move('a', 'a');
    expect(await contentOf(subject(), 'a')).toBe('one');
  });
  it('deletes twice, and takes the key again', async () => {
    await subject().put('a/b', text('one'));
    await subject().delete('a/b');
    await subject().delete('a/b');
    await subject().delete('never/there');
    expect(await keysOf(subject(), '')).toEqual([]);
    expect(await subject().put('a/b', text('two'))).toBe('stored');
    expect(await contentOf(subject(), 'a/b')).toBe('two');
  });
}

function testBigObject(subject: () => Repository, streams: boolean): void {
  it('streams 70 MiB in and out unchanged, in bounded memory', { timeout: 60_000 }, async () => {
    const memory = memoryMeter();
    const staged = await subject().stage();
    await pipeline(bigObject(memory), staged.sink);
    expect(await staged.commit('big')).toBe('stored');
    const stream = await subject().openRead('big');
    expect(await countIntact(stream ?? Readable.from([]), memory)).toBe(bigSizeBytes);
    if (streams) expect(memory.peakBytes).toBeLessThan(24 * mebibyte);
  });
  it('stops reading when it is told to', async () => {
    const staged = await subject().stage();
    await pipeline(Readable.from([Buffer.alloc(mebibyte), Buffer.alloc(4 * mebibyte)]), staged.sink);
    await staged.commit('big');
    const abort = new AbortController();
    const stream = await subject().openRead('big', { signal: abort.signal });
    abort.abort();
    await expect(buffer(stream ?? Readable.from([]))).rejects.toMatchObject({ name: 'AbortError' });
    await expect(subject().openRead('big', { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });
}

const bigSizeBytes = 70 * mebibyte;
const blockSizeBytes = mebibyte;

/** Blocks that tell their place, so that a lost or swapped one is seen. One buffer for each: the sink may hold several. */
function* bigObject(memory: MemoryMeter): Generator<Uint8Array> {
  for (let block = 0; block * blockSizeBytes < bigSizeBytes; block += 1) {
    memory.measure();
    yield Buffer.alloc(blockSizeBytes, block + 1);
  }
}

async function countIntact(stream: Readable, memory: MemoryMeter): Promise<number> {
  let positionBytes = 0;
  let sinceMeasureBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    for (let index = 0; index < chunk.length; index += 4096) {
      const expected = Math.floor((positionBytes + index) / blockSizeBytes) + 1;
      if (chunk[index] !== expected) return positionBytes + index;
    }
    positionBytes += chunk.length;
    sinceMeasureBytes += chunk.length;
    if (sinceMeasureBytes >= blockSizeBytes) {
      memory.measure();
      sinceMeasureBytes = 0;
    }
  }
  return positionBytes;
}

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
