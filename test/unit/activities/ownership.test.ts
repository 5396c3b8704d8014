import { expect, it } from 'vitest';
import { claimOwnership, currentOwner, requireOwner } from '../../../src/activities/ownership.ts';
import type { Owner } from '../../../src/config/repository-json/owner.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory-repository.ts';
import { DATABASE } from './scene.ts';

const claimOf = (installationId: string, generation = 1): Owner => ({
  format: 1,
  generation,
  agent: 'db1',
  installationId,
  temporal: { clusterId: 'cluster', namespace: 'default' },
  timeline: '0001',
  claimedAtMs: 1,
});

it('lets one of ten that claim at once win, and tells each the truth', async () => {
  const repository = createMemoryRepository();
  const claims = Array.from({ length: 10 }, (_, index) => claimOf(`installation-${index}`));
  const won = await Promise.all(claims.map((claim) => claimOwnership(repository, DATABASE, claim)));
  expect(won.filter(Boolean)).toHaveLength(1);
  const owner = await currentOwner(repository, DATABASE);
  expect(owner).toEqual(claims[won.indexOf(true)]);
});

it('answers the winner the same when it claims again', async () => {
  const repository = createMemoryRepository();
  expect(await claimOwnership(repository, DATABASE, claimOf('one'))).toBe(true);
  expect(await claimOwnership(repository, DATABASE, { ...claimOf('one'), claimedAtMs: 2 })).toBe(true);
  expect((await currentOwner(repository, DATABASE))?.claimedAtMs).toBe(1);
});

it('takes the highest generation for the owner, beyond nine', async () => {
  const repository = createMemoryRepository();
  for (const generation of [1, 2, 9, 10, 11]) await claimOwnership(repository, DATABASE, claimOf(`installation-${generation}`, generation));
  expect((await currentOwner(repository, DATABASE))?.generation).toBe(11);
});

it('refuses an installation that has been replaced, though its name is the same', async () => {
  const repository = createMemoryRepository();
  await expect(requireOwner(repository, DATABASE, { name: 'db1', installationId: 'old' })).rejects.toMatchObject({
    code: 'owner-outdated',
    details: { installationId: null },
  });
  await claimOwnership(repository, DATABASE, claimOf('old', 1));
  expect(await requireOwner(repository, DATABASE, { name: 'db1', installationId: 'old' })).toMatchObject({ generation: 1 });
  await claimOwnership(repository, DATABASE, claimOf('new', 2));
  await expect(requireOwner(repository, DATABASE, { name: 'db1', installationId: 'old' })).rejects.toMatchObject({
    code: 'owner-outdated',
    details: { installationId: 'new' },
  });
});
