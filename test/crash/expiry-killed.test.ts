import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { removeExpired, type Removed } from '../../src/activities/expiry/remove-expired.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { DATABASE } from '../support/database-stack.ts';
import { newRun } from '../support/direct-backup.ts';
import { expiryRound, makeExpiryScene } from '../support/expiry-round.ts';

const DAY_MS = 86_400_000;

afterEach(() => vi.useRealTimers());

it('lacks no piece that a backup needs after kills amid the moving and amid the deleting, and leaves no orphan after the next run', async () => {
  const { moving, deleting, results, broken } = await expiryRound({ withinEach: 2 });
  expect(broken).toEqual([]);
  expect(moving.within).toBeGreaterThanOrEqual(2);
  expect(deleting.within).toBeGreaterThanOrEqual(2);
  expect(results.at(-1)).toMatchObject({ keepCount: 2, expireCount: 0 });
});

it('leaves what can’t be deleted yet to a later run, says so, and deletes the rest', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-refused-'));
  const deps = await localDeps((await makeExpiryScene(folder)).configFile);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * DAY_MS });
  const remove = (isRefused: (key: string) => boolean): Promise<Removed> => {
    const openStore: typeof deps.openStore = async (...args) => {
      const store = await deps.openStore(...args);
      const { repository } = store.place;
      const deleteMany: typeof repository.deleteMany = async (keys, options) => {
        if (keys.some(isRefused)) throw new RstowError('repository-unavailable', 'the object is locked');
        return repository.deleteMany(keys, options);
      };
      return { ...store, place: { repository: { ...repository, deleteMany } } };
    };
    const input = { database: DATABASE, repository: 'local', nowMs: Date.now(), isDry: false };
    return removeExpired({ ...deps, openStore })(input, newRun());
  };
  const locked = new Set<string>();
  const first = await remove((key) => {
    if (locked.size === 0 && key.endsWith('.zst')) locked.add(key);
    return locked.has(key);
  });
  expect(first.pieces).toBeGreaterThan(1);
  expect(first.stays).toEqual([expect.stringContaining(`${[...locked][0]} stays until a later run: the object is locked`)]);
  expect(await remove(() => false)).toMatchObject({ pieces: 1, stays: [] });
  expect(await remove(() => false)).toMatchObject({ pieces: 0, stays: [] });
  await rm(folder, { recursive: true });
});
