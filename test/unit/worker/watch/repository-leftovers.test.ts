import { beforeEach, describe, expect, test } from 'vitest';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { positionKey } from '../../../../src/core/backup/label.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { positionOf } from '../../../../src/store/manifests.ts';
import type { Store } from '../../../../src/store/store.ts';
import { clearRepositories } from '../../../../src/worker/watch/leftovers.ts';
import type { RunState } from '../../../../src/worker/temporal/run-registry.ts';
import { DATABASE, keysOf } from '../../activities/scene.ts';
import { claimOf, depsOf } from '../../activities/several-repositories.ts';
import { manifest } from '../../config/a-manifest.ts';

let repository: Repository;
let deps: ActivityDeps;
let store: Store;

const LABEL = '20261129T101500Z-hot';
const fence = { format: 1 as const, timeline: '0001', pin: 'links' as const, segments: [] };

beforeEach(async () => {
  repository = createMemoryRepository();
  deps = depsOf('one', { local: repository });
  store = await deps.openStore(DATABASE);
  await store.owner.claim(claimOf('one'));
});

function clear(states: Record<string, RunState>, keptMs = 0): Promise<void> {
  const runs = { runState: async (runId: string) => Promise.resolve(states[runId] ?? 'unknown') };
  return clearRepositories({ deps, runs, keptMs }, DATABASE);
}

const left = async (): Promise<string[]> => (await keysOf(repository)).filter((key) => !key.includes('/owner/'));

describe('plans', () => {
  beforeEach(async () => {
    for (const runId of ['ended', 'open', 'strange', 'local-1']) await store.plans.fence('0001').keep(runId, fence);
  });

  test('of an ended run are deleted, and of no other', async () => {
    await clear({ ended: 'closed', open: 'open' });
    const keys = ['open', 'strange', 'local-1'].map((runId) => `databases/${DATABASE}/plans/${runId}/fence-0001.json`);
    expect(new Set(await left())).toEqual(new Set(keys));
  });

  test('stay for an hour after they were written', async () => {
    await clear({ ended: 'closed' }, 3_600_000);
    expect(await left()).toHaveLength(4);
  });

  test('are the owner’s to clear', async () => {
    await depsOf('two', { local: repository }).catalogueOf(DATABASE).owner.claim(claimOf('two', 2));
    await clear({ ended: 'closed' });
    expect(await left()).toHaveLength(4);
  });
});

describe('the label of a backup', () => {
  beforeEach(async () => {
    await store.backups.claimLabel({ label: LABEL, runId: 'ended' });
    await repository.put(`databases/${DATABASE}/backups/${LABEL}/machines.json.zst`, Buffer.from('x'));
  });

  test('that never was is given back, with what was stored under it', async () => {
    await repository.put(positionKey(DATABASE, positionOf({ ...manifest, label: LABEL })), Buffer.from('{}'));
    await clear({ ended: 'closed' });
    expect(await left()).toEqual([]);
  });

  test('stays while its run is open, and another backup’s are left alone', async () => {
    await store.backups.put({ ...manifest, label: `${LABEL}-2`, runId: 'other' });
    const before = await left();
    await clear({ ended: 'open' });
    expect(await left()).toEqual(before);
    await clear({ ended: 'closed' });
    expect((await store.backups.find('latest')).label).toBe(`${LABEL}-2`);
    expect((await left()).filter((key) => key.includes(LABEL) && !key.includes('-2'))).toEqual([]);
  });

  test('is the backup’s once the manifest is there, also where its run died before it gave the claim back', async () => {
    await store.backups.put({ ...manifest, label: LABEL, runId: 'ended' });
    expect(await store.backups.claims()).toEqual([]);
    expect(await store.backups.claimLabel({ label: LABEL, runId: 'other' })).toBe(false);
    await clear({ ended: 'closed' });
    expect(await store.backups.read(LABEL)).toMatchObject({ runId: 'ended' });
    expect(await left()).toContain(`databases/${DATABASE}/backups/${LABEL}/machines.json.zst`);
  });
});
