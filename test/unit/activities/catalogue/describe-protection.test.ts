import { expect, it } from 'vitest';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { type DescribedDatabase, describeProtection } from '../../../../src/activities/catalogue/describe-protection.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { factKey, manifestKey } from '../../../../src/core/repository/object-keys.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, makeScene, replaceObject, type Scene } from '../scene.ts';

const OLDER = '20261124T101500Z-hot';
const NEWER = '20261124T103000Z-hot';

async function backedUp(): Promise<Scene> {
  const scene = await makeScene();
  for (const [index, label] of [OLDER, NEWER].entries()) {
    await putManifest(scene.repository, { ...manifest, label, runId: label, writtenAtMs: manifest.writtenAtMs + index });
  }
  return scene;
}

function describe({ deps }: Scene): Promise<DescribedDatabase> {
  const nothing = async (): Promise<undefined> => Promise.resolve(undefined);
  const all: ActivityDeps = {
    ...deps,
    backupWatch: { schedule: nothing, scheduled: async () => [], lastEnded: nothing, failed: async () => [], archive: nothing },
  };
  return describeProtection(all)({ database: DATABASE });
}

it('takes the newest backup for the latest, and for the one to restore', async () => {
  const described = await describe(await backedUp());
  expect(described).toMatchObject({ backups: 2, latest: { label: NEWER }, restorable: { label: NEWER } });
  expect(described.unreadable).toBeUndefined();
});

it('says which newest backup can’t be read, and goes on with the one before', async () => {
  const scene = await backedUp();
  await replaceObject(scene.repository, manifestKey(DATABASE, NEWER), Buffer.from('no JSON'));
  expect(await describe(scene)).toMatchObject({
    backups: 2,
    latest: { label: OLDER },
    restorable: { label: OLDER },
    unreadable: { label: NEWER, code: 'damaged-object' },
  });
});

it.each(['held', 'failed'] as const)('goes on although the record of a recovery test that %s has rotted', async (outcome) => {
  const scene = await backedUp();
  const { repository } = scene;
  const key = factKey(DATABASE, { kind: 'test', label: NEWER, atMs: 1, runId: 'test', outcome });
  await repository.put(key, Buffer.from('no JSON'));
  expect(await describe(scene)).toMatchObject({ latest: { label: NEWER }, tested: null, testFailed: null });
});
