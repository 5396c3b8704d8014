import { expect, onTestFinished, test, vi } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/activity-deps.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import { countedRepository, openedAs } from '../../support/counted-repository.ts';
import { DATABASE } from '../activities/scene.ts';
import { claimOf, depsOf } from '../activities/several-repositories.ts';

const bucket = createMemoryRepository({ callsCost: true });

/** A process of its own, which remembers what it was told. */
async function processOf(installationId: string): Promise<{ deps: ActivityDeps; asked: () => number }> {
  const { repository, calls } = countedRepository(bucket);
  const deps = depsOf(installationId, { local: await openedAs(repository)('local') });
  return { deps, asked: () => calls.taken().length };
}

test('where calls cost, a watch is answered from memory for a while, but nothing is written in the name of a former owner', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { deps: first, asked } = await processOf('one');
  const { owner } = first.catalogueOf(DATABASE);
  await owner.claim(claimOf('one'));
  await owner.find(owner.keptMs);
  asked();
  for (let minute = 0; minute < 4; minute += 1) {
    vi.advanceTimersByTime(60_000);
    expect(await owner.find(owner.keptMs)).toMatchObject({ owner: { installationId: 'one' } });
  }
  expect(asked()).toBe(0);

  const { deps: second } = await processOf('two');
  await second.catalogueOf(DATABASE).owner.claim(claimOf('two', 2));
  expect(await owner.find(owner.keptMs)).toMatchObject({ owner: { installationId: 'one' } });
  await expect(owner.require()).rejects.toMatchObject({ code: 'owner-outdated' });
  expect(await owner.find(owner.keptMs)).toMatchObject({ owner: { installationId: 'two' } });
});

test('a host that returns asks before it writes: a process that starts remembers nothing, and one that was frozen too little', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { deps: frozen } = await processOf('two');
  const { owner } = frozen.catalogueOf(DATABASE);
  await owner.require(owner.keptMs);
  const { deps: third } = await processOf('three');
  await third.catalogueOf(DATABASE).owner.claim(claimOf('three', 3));
  // The clock that only counts running time stands still while a host sleeps.
  vi.setSystemTime(Date.now() + owner.keptMs + 1);
  await expect(owner.require(owner.keptMs)).rejects.toMatchObject({ code: 'owner-outdated' });
  const { deps: returned } = await processOf('two');
  const again = returned.catalogueOf(DATABASE).owner;
  await expect(again.require(again.keptMs)).rejects.toMatchObject({ code: 'owner-outdated' });
});
