import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AssertionError } from '../../src/core/errors/rstow-error.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { testListing, testPaging } from './repository-listing.ts';
import { testBigObject, testRanges } from './repository-streams.ts';
import { contentOf, fill, keysOf, type OpenedForTest, type RepositoryUnderTest, text } from './repository-under-test.ts';

async function stageText(repository: Repository, content: string, expectedKey = 'a') {
  const staged = await repository.stage(expectedKey);
  await pipeline(Readable.from([text(content)]), staged.sink);
  return staged;
}

/** What every repository promises, asked of one implementation. */
export function testRepository(under: RepositoryUnderTest): void {
  describe(`repository: ${under.name}`, () => {
    let repository: Repository;
    let opened: OpenedForTest;
    beforeEach(async () => {
      opened = await under.open();
      ({ repository } = opened);
    });
    afterEach(() => opened.close());
    testSmallObjects(() => repository);
    testStaging(() => repository);
    testListing(() => opened);
    testPaging(() => opened);
    testRanges(() => repository);
    testMoves(() => repository);
    testDeletions(() => opened);
    testBigObject(() => repository, under);
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
      await expect(subject().deleteMany([key])).rejects.toThrow(AssertionError);
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
    const begun = await subject().stage('a');
    begun.sink.write(text('one'));
    await begun.discard();
    expect(await keysOf(subject(), '')).toEqual([]);
  });
  it('lists nothing of an object whose stream was aborted midway', async () => {
    const abort = new AbortController();
    const staged = await subject().stage('a');
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

function testMoves(subject: () => Repository): void {
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
}

function testDeletions(opened: () => OpenedForTest): void {
  const subject = (): Repository => opened().repository;
  it('deletes twice, and takes the key again', async () => {
    await subject().put('a/b', text('one'));
    await subject().deleteMany(['a/b']);
    await subject().deleteMany(['a/b', 'never/there']);
    await subject().deleteMany([]);
    expect(await keysOf(subject(), '')).toEqual([]);
    expect(await subject().put('a/b', text('two'))).toBe('stored');
    expect(await contentOf(subject(), 'a/b')).toBe('two');
  });
  it('deletes 2,500 objects at once, those named twice as well, and no other', { timeout: 60_000 }, async () => {
    const keys = Array.from({ length: 2500 }, (_, index) => `many/${index % 13}/${index}`);
    await fill(opened(), [...keys, 'many/1/kept', 'other']);
    await subject().deleteMany([...keys, 'many/0/0', 'many/absent/0']);
    expect(await keysOf(subject(), '')).toEqual(['many/1/kept', 'other']);
  });
  it('deletes nothing where one of the keys is none', async () => {
    await subject().put('a', text('one'));
    await expect(subject().deleteMany(['a', '../b'])).rejects.toThrow(AssertionError);
    expect(await contentOf(subject(), 'a')).toBe('one');
  });
  it('deletes nothing when it was told to stop before', async () => {
    await subject().put('a', text('one'));
    await expect(subject().deleteMany(['a'], { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    expect(await contentOf(subject(), 'a')).toBe('one');
  });
}
