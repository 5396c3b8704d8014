import { expect, it } from 'vitest';
import { expireManifests } from '../../../../src/activities/expiry/expire-manifests.ts';
import { manifestKey, ownerKey } from '../../../../src/core/repository/object-keys.ts';
import { ownerSchema } from '../../../../src/formats/repository/history.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { putSealed } from '../../../../src/io/repository/sealed-object.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { retentionOf } from '../../../../src/store/retention.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, makeScene, OWNER, runOf } from '../scene.ts';

const [HELD, OTHER, KEPT] = ['20261001T101500Z-hot', '20261002T101500Z-hot', '20261003T101500Z-hot'];

it('brings back a backup that somebody holds while it is moved, and moves the others', async () => {
  const memory = createMemoryRepository();
  const retention = retentionOf({ repository: memory, database: DATABASE });
  const move: typeof memory.move = async (from, to) => {
    if (from === manifestKey(DATABASE, HELD)) await retention.hold({ label: HELD, reason: 'audit', atMs: 1, runId: 'ann' });
    await memory.move(from, to);
  };
  const { deps, repository } = await makeScene({ ...memory, move });
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  for (const label of [HELD, OTHER]) await repository.put(manifestKey(DATABASE, label), Buffer.from(label));
  const { plans } = await deps.openStore(DATABASE, 'local');
  const nowMs = Date.now();
  const expire = [OTHER, HELD].map((label) => ({ label, why: 'no rule keeps it' }));
  const { key: planKey } = await plans.expiry.keep('expire', {
    format: 1,
    database: DATABASE,
    repository: 'local',
    plannedAtMs: nowMs,
    keep: [],
    expire,
  });
  for (const moved of [1, 1]) {
    expect(await expireManifests(deps)({ database: DATABASE, repository: 'local', planKey, nowMs }, runOf('expire'))).toEqual({ moved });
    expect(await memory.openRead(manifestKey(DATABASE, HELD))).toBeDefined();
    expect((await retention.expired()).map(({ label }) => label)).toEqual([OTHER]);
  }
});

it('moves nothing if the newest that can be restored has failed a check since the plan was made', async () => {
  const { deps, repository } = await makeScene();
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  await putManifest(repository, { ...manifest, label: KEPT, runId: KEPT });
  await repository.put(manifestKey(DATABASE, OTHER), Buffer.from(OTHER));
  const { plans, facts, retention } = await deps.openStore(DATABASE, 'local');
  const verify = async (atMs: number, held: boolean): Promise<void> => {
    const failure = held ? undefined : { code: 'damaged-object', sentence: 'a piece has rotted' };
    await facts.recordVerification({ label: KEPT, atMs, runId: 'verify', level: 'replay', held, failure });
  };
  const nowMs = Date.now();
  const keep = [{ label: KEPT, why: ['the newest'] }];
  const expire = [{ label: OTHER, why: 'no rule keeps it' }];
  const plan = { format: 1 as const, database: DATABASE, repository: 'local', plannedAtMs: nowMs, keep, expire, newestRestorable: KEPT };
  const { key: planKey } = await plans.expiry.keep('expire', plan);
  const expiring = async (): Promise<object> =>
    expireManifests(deps)({ database: DATABASE, repository: 'local', planKey, nowMs }, runOf('expire'));
  await verify(1_000_000_000_001, false);
  await expect(expiring()).rejects.toMatchObject({ code: 'store-incomplete' });
  expect(await retention.expired()).toEqual([]);
  await verify(1_000_000_000_002, true);
  expect(await expiring()).toEqual({ moved: 1 });
});
