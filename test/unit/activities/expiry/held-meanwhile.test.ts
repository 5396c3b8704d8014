import { expect, it } from 'vitest';
import { expireManifests } from '../../../../src/activities/expiry/expire-manifests.ts';
import { manifestKey, ownerKey } from '../../../../src/core/repository/object-keys.ts';
import { ownerSchema } from '../../../../src/formats/repository/history.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { putSealed } from '../../../../src/io/repository/sealed-object.ts';
import { retentionOf } from '../../../../src/store/retention.ts';
import { DATABASE, makeScene, OWNER, runOf } from '../scene.ts';

const [HELD, OTHER] = ['20261001T101500Z-hot', '20261002T101500Z-hot'];

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
