import { expect, test } from 'vitest';
import type { Repository } from '../../../src/io/repository/port.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import { ownerKey } from '../../../src/core/repository/object-keys.ts';
import { claimOf, depsOf } from '../activities/several-repositories.ts';
import { DATABASE } from '../activities/scene.ts';

/** Names each call, in its order. */
function counting(repository: Repository, calls: string[]): Repository {
  return {
    ...repository,
    read: async (key, options) => {
      calls.push(`read ${key}`);
      return repository.read(key, options);
    },
    list: (prefix, options) => {
      calls.push(`list ${prefix}`);
      return repository.list(prefix, options);
    },
    keys: (prefix, options) => {
      calls.push(`list ${prefix}`);
      return repository.keys(prefix, options);
    },
  };
}

test('an owner check is one listing of each repository, and one read of the newest claim', async () => {
  const calls: string[] = [];
  const [local, copy] = [createMemoryRepository(), createMemoryRepository()];
  const deps = depsOf('one', { local: counting(local, calls), copy: counting(copy, calls) });
  await deps.catalogueOf(DATABASE).owner.claim(claimOf('one'));
  await deps.catalogueOf(DATABASE).owner.require();
  calls.length = 0;
  await (await deps.openStore(DATABASE)).owner.require();
  expect(calls).toEqual([`list databases/${DATABASE}/owner/`, `list databases/${DATABASE}/owner/`, `read ${ownerKey(DATABASE, 1)}`]);
});

test('a claim that somebody else has put meanwhile is seen by the next check', async () => {
  const local = createMemoryRepository();
  const [one, two] = [depsOf('one', { local }), depsOf('two', { local })];
  await one.catalogueOf(DATABASE).owner.claim(claimOf('one'));
  await one.catalogueOf(DATABASE).owner.require();
  await two.catalogueOf(DATABASE).owner.claim(claimOf('two', 2));
  await expect(one.catalogueOf(DATABASE).owner.require()).rejects.toMatchObject({ code: 'owner-outdated' });
});
