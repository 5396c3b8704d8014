import { beforeEach, describe, expect, it } from 'vitest';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import type { Store } from '../../../src/store/store.ts';
import { storeIn } from '../../support/store-in.ts';
import { keysOf } from '../activities/scene.ts';
import { manifest } from '../config/a-manifest.ts';

const { label, runId } = manifest;
const tooLarge = { ...manifest, warnings: [{ code: 'x', message: 'x'.repeat(64 * 1024 * 1024) }] };

let repository: Repository;
let store: Store;

beforeEach(async () => {
  repository = createMemoryRepository();
  store = await storeIn(repository);
});

describe('a manifest that nobody could read again', () => {
  it('is refused before anything is written: no object, no entry of the index, and nothing once the label is given back', async () => {
    await store.backups.claimLabel({ label, runId });
    const before = await keysOf(repository);
    await expect(store.backups.put(tooLarge)).rejects.toMatchObject({ code: 'object-too-large' });
    expect(await keysOf(repository)).toEqual(before);
    expect(await store.backups.positions()).toEqual({ positions: [], unplaced: [] });
    await store.backups.release(label);
    expect(await keysOf(repository)).toEqual([]);
  });

  it('takes no label from its run, which may write a smaller one', async () => {
    await store.backups.claimLabel({ label, runId });
    await expect(store.backups.put(tooLarge)).rejects.toMatchObject({ code: 'object-too-large' });
    expect(await store.backups.claims()).toEqual([{ label, runId, claimedAtMs: expect.any(Number) as number }]);
    expect(await store.backups.put(manifest)).toEqual(manifest);
    expect(await store.backups.read(label)).toEqual(manifest);
  });
});

it('a manifest that fits is written with its place in the index, which tells where it stands without its being read', async () => {
  await store.backups.claimLabel({ label, runId });
  await store.backups.put(manifest);
  expect(await keysOf(repository)).toHaveLength(2);
  expect((await store.backups.positions()).positions).toMatchObject([{ label, timeline: manifest.timeline }]);
});
