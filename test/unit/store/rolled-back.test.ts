import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { positionKey } from '../../../src/core/backup/label.ts';
import { manifestKey } from '../../../src/core/repository/object-keys.ts';
import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { createSeenBackups } from '../../../src/io/agent-state/seen.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { positionOf } from '../../../src/store/manifests.ts';
import type { Store } from '../../../src/store/store.ts';
import { storeIn } from '../../support/store-in.ts';
import { manifest } from '../config/a-manifest.ts';
import { claimOf } from '../activities/several-repositories.ts';

const older: Manifest = { ...manifest, label: '20261124T090000Z-hot', runId: 'run-0', writtenAtMs: manifest.writtenAtMs - 1000 };
const position = positionKey('orders', positionOf(manifest));

let repository: Repository;
let stateDir: string;

beforeEach(async () => {
  repository = createMemoryRepository();
  stateDir = await mkdtemp(join(tmpdir(), 'rstow-seen-'));
  const store = await opened();
  await store.claims.put(claimOf('one'));
  await store.timelines.create({ generation: 1, parent: null, why: 'first', runId: 'r', createdAtMs: 1 });
  await store.backups.put(older);
  await store.backups.put(manifest);
});

afterEach(() => rm(stateDir, { recursive: true }));

/** As the agent has it after a restart. */
function opened(): Promise<Store> {
  return storeIn(repository, 'orders', { installationId: 'one', seenBackups: createSeenBackups(stateDir) });
}

it('finds that the newest backup which was there is gone, and says so until there is a newer one', async () => {
  expect(await (await opened()).backups.rolledBack()).toBeUndefined();
  await repository.deleteMany([manifestKey('orders', manifest.label), position]);
  for (let restart = 0; restart < 2; restart += 1) {
    const { backups } = await opened();
    expect((await backups.find('latest')).label).toBe(older.label);
    expect(await backups.rolledBack()).toMatchObject({
      label: manifest.label,
      sentence: expect.stringContaining(`memory lacks backup ${manifest.label}, which was there before`) as string,
    });
  }
  const { backups } = await opened();
  await backups.put({ ...manifest, label: '20261124T110000Z-hot', runId: 'run-2' });
  expect(await (await opened()).backups.rolledBack()).toBeUndefined();
});

it('knows what it has read, as well as what it has written', async () => {
  const elsewhere = await mkdtemp(join(stateDir, 'other-'));
  const two = { installationId: 'two', seenBackups: createSeenBackups(elsewhere) };
  await (await storeIn(repository, 'orders', two)).backups.find('latest');
  await repository.deleteMany([manifestKey('orders', manifest.label), position]);
  const { backups } = await storeIn(repository, 'orders', two);
  expect(await backups.rolledBack()).toMatchObject({ label: manifest.label });
});

it('finds an older backup no newer for a name in the index that says so', async () => {
  const place = { ...positionOf(older), writtenAtMs: manifest.writtenAtMs + 1000 };
  await repository.put(positionKey('orders', place), Buffer.from('{}'));
  const { backups } = await opened();
  expect((await backups.find('latest')).label).toBe(manifest.label);
  expect((await backups.newestOfTimeline({ timeline: '0001', exceptRunId: '' }))?.label).toBe(manifest.label);
});
