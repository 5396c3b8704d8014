import { expect, it } from 'vitest';
import { AssertionError } from '../../src/core/errors/rstow-error.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { collect, fill, keysOf, type OpenedForTest, text } from './repository-under-test.ts';

/** What a repository promises of its listings. */
export function testListing(opened: () => OpenedForTest): void {
  const subject = (): Repository => opened().repository;
  const sorted = ['a-b/c', 'a.json', 'a/b.x/c', 'a/b0', 'b/10', 'b/9'];
  it('lists sizes and times', async () => {
    const beforeMs = Date.now();
    await subject().put('a/b', text('12345'));
    const [object, ...others] = await collect(subject().list('a/'));
    expect(others).toEqual([]);
    expect(object).toMatchObject({ key: 'a/b', sizeBytes: 5 });
    // A disk's clock ticks coarsely.
    expect(object?.modifiedAtMs).toBeGreaterThan(beforeMs - 1000);
    expect(object?.modifiedAtMs).toBeLessThan(Date.now() + 1000);
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
  it('gives as keys what it lists', async () => {
    await fill(opened(), sorted);
    for (const prefix of ['', 'a', 'a/', 'b/1', 'c']) {
      const listed = await collect(subject().list(prefix));
      expect(await keysOf(subject(), prefix)).toEqual(listed.map(({ key }) => key));
    }
  });
  it('lists 10,000 objects whole and in order, wherever they lie', { timeout: 120_000 }, async () => {
    const keys = Array.from({ length: 10_000 }, (_, index) => `many/${index % 97}/${index % 3 === 0 ? 'deep/' : ''}${index}`);
    await fill(opened(), keys);
    expect(await keysOf(subject(), 'many/')).toEqual(keys.toSorted());
    const listed = await collect(subject().list('many/'));
    expect(listed.map(({ key, sizeBytes }) => [key, sizeBytes])).toEqual(keys.toSorted().map((key) => [key, key.length]));
  });
  it('gives what lies deeper once, as its folder', async () => {
    await fill(opened(), ['a/b/one', 'a/b/two', 'a/bc', 'a/bd/e/f', 'b']);
    const folded = true;
    expect(await keysOf(subject(), 'a/', { folded })).toEqual(['a/b/', 'a/bc', 'a/bd/']);
    expect(await keysOf(subject(), 'a/bd', { folded })).toEqual(['a/bd/']);
    expect(await keysOf(subject(), '', { folded })).toEqual(['a/', 'b']);
    expect(await keysOf(subject(), 'a/', { folded, startAfter: 'a/b/' })).toEqual(['a/bc', 'a/bd/']);
    expect(await keysOf(subject(), 'a/', { folded, startAfter: 'a/b/two' })).toEqual(['a/bc', 'a/bd/']);
    expect(await keysOf(subject(), 'c/', { folded })).toEqual([]);
  });
  it.each(['/', '../', 'a/../b', 'a//'])('asserts that %j begins no key', async (prefix) => {
    await expect(keysOf(subject(), prefix)).rejects.toThrow(AssertionError);
  });
}

export function testPaging(opened: () => OpenedForTest): void {
  const subject = (): Repository => opened().repository;
  it('goes on after any key, so that pages add up to the whole', async () => {
    const keys = ['a-b/c', 'a.json', 'a/b.x/c', 'a/b0', ...Array.from({ length: 60 }, (_, index) => `a/${index % 7}/${index}`), 'b'].sort();
    await fill(opened(), keys);
    const paged: string[] = [];
    while (paged.length < keys.length) {
      const page: string[] = [];
      for await (const key of subject().keys('', { startAfter: paged.at(-1) })) if (page.push(key) === 7) break;
      expect(page).not.toEqual([]);
      paged.push(...page);
    }
    expect(paged).toEqual(keys);
    for (const startAfter of [...keys, 'a', 'a/', 'a/3', 'a/3/', 'a/3/zz', 'zz']) {
      expect(await keysOf(subject(), 'a', { startAfter })).toEqual(keys.filter((key) => key.startsWith('a') && key > startAfter));
      const listed = await collect(subject().list('a/', { startAfter }));
      expect(listed.map(({ key }) => key)).toEqual(keys.filter((key) => key.startsWith('a/') && key > startAfter));
    }
  });
  it.each(['list', 'keys'] as const)('stops in the middle of a %s when it is told to', async (listing) => {
    await fill(
      opened(),
      Array.from({ length: 300 }, (_, index) => `many/${index % 20}/${index}`),
    );
    const abort = new AbortController();
    let given = 0;
    const reading = (async (): Promise<void> => {
      for await (const _item of subject()[listing]('many/', { signal: abort.signal })) if ((given += 1) === 100) abort.abort();
    })();
    await expect(reading).rejects.toMatchObject({ name: 'AbortError' });
    expect(given).toBe(100);
    await expect(collect<unknown>(subject()[listing]('many/', { signal: abort.signal }))).rejects.toMatchObject({ name: 'AbortError' });
  });
}
