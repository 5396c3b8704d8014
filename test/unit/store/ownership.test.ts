import { beforeEach, describe, expect, it } from 'vitest';
import { claimOwnership, currentOwner } from '../../../src/store/ownership.ts';
import { readOwnerGeneration, takeOwnership } from '../../../src/activities/recovery/ownership.ts';
import { ownerKey } from '../../../src/core/repository/object-keys.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { databaseOwnership } from '../../../src/worker/watch/ownership.ts';
import { DATABASE, keysOf, replaceObject, runOf } from '../activities/scene.ts';
import { claimOf, createMemoryOfOwners, depsOf } from '../activities/several-repositories.ts';

describe('in one repository', () => {
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
    const only = createMemoryRepository();
    for (const generation of [1, 2, 9, 10, 11]) await claimOwnership(only, DATABASE, claimOf(`installation-${generation}`, generation));
    expect((await depsOf('any', { only }).catalogueOf(DATABASE).owner.find()).owner?.generation).toBe(11);
  });

  it('refuses an installation that has been replaced, though its name is the same', async () => {
    const only = createMemoryRepository();
    const old = depsOf('old', { only });
    await expect(old.catalogueOf(DATABASE).owner.require()).rejects.toMatchObject({
      code: 'owner-outdated',
      details: { installationId: null },
    });
    await claimOwnership(only, DATABASE, claimOf('old', 1));
    expect(await old.catalogueOf(DATABASE).owner.require()).toMatchObject({ generation: 1 });
    await claimOwnership(only, DATABASE, claimOf('new', 2));
    await expect(old.catalogueOf(DATABASE).owner.require()).rejects.toMatchObject({
      code: 'owner-outdated',
      details: { installationId: 'new' },
    });
  });
});

describe('in several repositories', () => {
  let repositories: Record<'first' | 'second', Repository>;
  let away: Set<string>;

  beforeEach(async () => {
    repositories = { first: createMemoryRepository(), second: createMemoryRepository() };
    away = new Set();
    for (const name of ['first', 'second'] as const) await claimOwnership(repositories[name], DATABASE, claimOf('old', 1));
  });

  const depsFor = (installationId: string): ReturnType<typeof depsOf> => depsOf(installationId, repositories, { away });
  const takeOver = async (installationId: string, fromGeneration = 1): Promise<unknown> =>
    takeOwnership(depsFor(installationId))({ database: DATABASE, fromGeneration, timeline: '0002', planHash: '' }, runOf('run'));
  const ownerIn = async (name: 'first' | 'second'): Promise<string | undefined> =>
    (await currentOwner(repositories[name], DATABASE))?.installationId;

  it.each(['first', 'second'] as const)('counts the highest generation, wherever it is: in the %s', async (name) => {
    await claimOwnership(repositories[name], DATABASE, claimOf('new', 2));
    expect(await depsFor('new').catalogueOf(DATABASE).owner.require()).toMatchObject({ generation: 2 });
    await expect(depsFor('old').catalogueOf(DATABASE).owner.require()).rejects.toMatchObject({ code: 'owner-outdated' });
    expect(await readOwnerGeneration(depsFor('third'))({ database: DATABASE })).toBe(2);
  });

  it('fences the old owner in every repository that answers, and in the others as soon as they are read together', async () => {
    away.add('first');
    expect(await takeOver('new')).toEqual({ generation: 2 });
    expect([await ownerIn('first'), await ownerIn('second')]).toEqual(['old', 'new']);
    away.clear();
    expect(await databaseOwnership(depsFor('old'), DATABASE)).toMatchObject({ kind: 'foreign' });
    expect(await databaseOwnership(depsFor('new'), DATABASE)).toEqual({ kind: 'mine' });
    expect(await takeOver('new')).toEqual({ generation: 2 });
    expect([await ownerIn('first'), await ownerIn('second')]).toEqual(['new', 'new']);
  });

  it('lets one of two that take over at once win, and puts no claim of the loser anywhere', async () => {
    const results = await Promise.allSettled([takeOver('left'), takeOver('right')]);
    const winner = results[0].status === 'fulfilled' ? 'left' : 'right';
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'owner-outdated' } });
    expect([await ownerIn('first'), await ownerIn('second')]).toEqual([winner, winner]);
  });

  it('takes nothing over where a later repository tells of another owner of that generation', async () => {
    await claimOwnership(repositories.second, DATABASE, claimOf('quicker', 2));
    await expect(takeOver('new')).rejects.toMatchObject({ code: 'owner-outdated' });
    expect(await ownerIn('first')).toBe('old');
  });

  it('takes nothing over where no repository answers', async () => {
    away.add('first').add('second');
    await expect(takeOver('new')).rejects.toMatchObject({ code: 'repository-unavailable' });
    await expect(depsFor('new').catalogueOf(DATABASE).owner.claim(claimOf('new', 2))).rejects.toMatchObject({
      code: 'repository-unavailable',
    });
  });

  it('says unknown, and fails a step, while no repository can be read', async () => {
    away.add('first').add('second');
    expect(await databaseOwnership(depsFor('old'), DATABASE)).toMatchObject({ kind: 'unknown' });
    await expect(depsFor('old').catalogueOf(DATABASE).owner.require()).rejects.toMatchObject({ code: 'repository-unavailable' });
  });

  it('brings no former owner back by a stale copy while the others are away', async () => {
    const [old, new_] = [depsFor('old'), depsFor('new')];
    await claimOwnership(repositories.first, DATABASE, claimOf('new', 2));
    expect([await databaseOwnership(old, DATABASE), await databaseOwnership(new_, DATABASE)]).toMatchObject([
      { kind: 'foreign' },
      { kind: 'mine' },
    ]);
    away.add('first');
    expect(await ownerIn('second')).toBe('old');
    expect([await databaseOwnership(old, DATABASE), await databaseOwnership(new_, DATABASE)]).toMatchObject([
      { kind: 'foreign' },
      { kind: 'mine' },
    ]);
    await expect(old.catalogueOf(DATABASE).owner.require()).rejects.toMatchObject({ code: 'owner-outdated' });
  });

  it('brings none back over a restart of the agent', async () => {
    const seenOwners = createMemoryOfOwners();
    await claimOwnership(repositories.first, DATABASE, claimOf('new', 2));
    expect(await databaseOwnership(depsOf('new', repositories, { away, seenOwners }), DATABASE)).toEqual({ kind: 'mine' });
    away.add('first');
    expect(await databaseOwnership(depsOf('new', repositories, { away, seenOwners }), DATABASE)).toEqual({ kind: 'mine' });
    expect(await databaseOwnership(depsOf('new', repositories, { away }), DATABASE)).toMatchObject({ kind: 'foreign' });
  });

  it('believes the repositories where all can be read, whatever it has seen: they may have been begun anew', async () => {
    const deps = depsFor('new');
    await claimOwnership(repositories.first, DATABASE, claimOf('new', 2));
    expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
    await repositories.first.deleteMany([ownerKey(DATABASE, 2)]);
    expect(await databaseOwnership(deps, DATABASE)).toMatchObject({ kind: 'foreign' });
  });

  it('claims nothing while the primary is away, though nobody owns the database in the others', async () => {
    repositories = { first: createMemoryRepository(), second: createMemoryRepository() };
    away.add('first');
    expect(await databaseOwnership(depsFor('old'), DATABASE)).toMatchObject({ kind: 'unknown' });
    expect(await keysOf(repositories.second)).toEqual([]);
  });

  it('reads a damaged claim where it is sound, and never goes back to an older one', async () => {
    for (const name of ['first', 'second'] as const) await claimOwnership(repositories[name], DATABASE, claimOf('new', 2));
    await replaceObject(repositories.first, ownerKey(DATABASE, 2), Buffer.from('rot'));
    expect((await depsFor('any').catalogueOf(DATABASE).owner.find()).owner).toMatchObject({ installationId: 'new' });
    await replaceObject(repositories.second, ownerKey(DATABASE, 2), Buffer.from('rot'));
    await expect(depsFor('any').catalogueOf(DATABASE).owner.find()).rejects.toMatchObject({ code: 'damaged-object' });
  });

  it('names the former owners of all repositories, the latest first', async () => {
    await claimOwnership(repositories.first, DATABASE, claimOf('second owner', 2));
    await claimOwnership(repositories.second, DATABASE, claimOf('old', 3));
    await claimOwnership(repositories.second, DATABASE, claimOf('present', 4));
    const former = await depsFor('any')
      .catalogueOf(DATABASE)
      .owner.former((await depsFor('any').catalogueOf(DATABASE).owner.find()).owner);
    expect(former.map(({ installationId }) => installationId)).toEqual(['old', 'second owner']);
  });
});
