import { expect, onTestFinished, test, vi } from 'vitest';
import { createMemoryRepository } from '../../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../../src/io/repository/port.ts';
import { recalling, remembered } from '../../../../../src/io/repository/wrap/recall.ts';
import { testRepository } from '../../../../suites/repository-suite.ts';
import { collect } from '../../../../suites/repository-under-test.ts';
import { countedRepository } from '../../../../support/counted-repository.ts';

const FOR_EVER = { recalledMs: Number.POSITIVE_INFINITY };

/** Whatever was asked once is never asked again. */
function recallingAll(over: Repository): Repository {
  const repository = remembered(recalling(over));
  return {
    ...repository,
    list: (prefix, options) => repository.list(prefix, { ...options, ...FOR_EVER }),
    keys: (prefix, options) => repository.keys(prefix, { ...options, ...FOR_EVER }),
  };
}

testRepository({
  name: 'memory, of which all is recalled',
  open: async () => Promise.resolve({ repository: recallingAll(createMemoryRepository()), close: async () => undefined }),
  streams: false,
});

const bytes = (text: string): Uint8Array => Buffer.from(text);

test('asks once, and adds what it has put and deleted itself; what another host does shows when the answer is too old', async () => {
  const counted = countedRepository();
  const repository = recalling(counted.repository);
  await repository.put('log/a', bytes('a'));
  expect(await collect(repository.keys('log/', FOR_EVER))).toEqual(['log/a']);
  await repository.put('log/c', bytes('ccc'));
  await counted.repository.put('log/b', bytes('b'));
  await repository.deleteMany(['log/a']);
  counted.calls.taken();
  expect(await collect(repository.list('log/', FOR_EVER))).toMatchObject([{ key: 'log/c', sizeBytes: 3 }]);
  expect(await collect(repository.keys('log/c', FOR_EVER))).toEqual(['log/c']);
  expect(counted.calls.taken()).toEqual([]);
  expect(await collect(repository.keys('log/', { recalledMs: 0 }))).toEqual(['log/b', 'log/c']);
  expect(counted.calls.taken()).toEqual(['list log/']);
});

test('an answer is too old when either clock says so: a process may have been frozen', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const counted = countedRepository();
  const repository = recalling(counted.repository);
  await collect(repository.keys('log/', { recalledMs: 1000 }));
  vi.setSystemTime(Date.now() + 2000);
  await collect(repository.keys('log/', { recalledMs: 1000 }));
  vi.advanceTimersByTime(2000);
  await collect(repository.keys('log/', { recalledMs: 1000 }));
  await collect(repository.keys('log/', { recalledMs: 1000 }));
  expect(counted.calls.paid).toHaveLength(3);
});

test('who wants the first of many knows them without asking, and what lies behind is asked for', async () => {
  const counted = countedRepository();
  for (let number = 0; number < 1500; number += 1) await counted.repository.put(`log/${1000 + number}`, bytes(''));
  const repository = recalling(counted.repository);
  const first = async (): Promise<string | undefined> => {
    for await (const key of repository.keys('log/', FOR_EVER)) return key;
    return undefined;
  };
  counted.calls.taken();
  expect([await first(), await first()]).toEqual(['log/1000', 'log/1000']);
  await repository.put('log/0999', bytes(''));
  await repository.put('log/9999', bytes(''));
  expect(await first()).toBe('log/0999');
  expect(counted.calls.taken()).toEqual(['list log/', 'put log/0999', 'put log/9999']);
  const all = await collect(repository.keys('log/', FOR_EVER));
  expect([all.length, new Set(all).size, all.at(-1)]).toEqual([1502, 1502, 'log/9999']);
  expect(counted.calls.taken()).toEqual(['list log/']);
});

test('what changes while a listing is under way is not lost', async () => {
  const memory = createMemoryRepository();
  for (const name of ['a', 'b']) await memory.put(`log/${name}`, bytes(name));
  const listed = Promise.withResolvers<undefined>();
  const slow: Repository = {
    ...memory,
    list: async function* (prefix, options) {
      const before = await collect(memory.list(prefix, options));
      await listed.promise;
      yield* before;
    },
  };
  const repository = recalling(slow);
  const listing = collect(repository.keys('log/', FOR_EVER));
  await repository.put('log/c', bytes('c'));
  await repository.deleteMany(['log/a']);
  listed.resolve(undefined);
  expect(await listing).toEqual(['log/a', 'log/b']);
  expect(await collect(repository.keys('log/', FOR_EVER))).toEqual(['log/b', 'log/c']);
});

test('asks again for what a call that failed may have changed', async () => {
  const counted = countedRepository();
  const repository = recalling({
    ...counted.repository,
    put: async (key, content) => {
      await counted.repository.put(key, content);
      throw new Error('the answer was lost');
    },
  });
  await collect(repository.keys('log/', FOR_EVER));
  await expect(repository.put('log/a', bytes('a'))).rejects.toThrow();
  expect(await collect(repository.keys('log/', FOR_EVER))).toEqual(['log/a']);
});

test('reads again what was moved away and stored anew', async () => {
  const counted = countedRepository();
  const repository = remembered(recalling(counted.repository));
  const read = async (): Promise<string> => Buffer.from((await repository.read('a.json', { sizeBytesMax: 10 })) ?? []).toString();
  await repository.put('a.json', bytes('one'));
  expect(await read()).toBe('one');
  await repository.move('a.json', 'trash/a.json');
  await repository.put('a.json', bytes('two'));
  expect(await read()).toBe('two');
  expect(counted.calls.paid.filter((call) => call.startsWith('read'))).toEqual([]);
});
