import { expect, it } from 'vitest';
import { removeExpired } from '../../../../src/activities/expiry/remove-expired.ts';
import { ownerKey } from '../../../../src/core/repository/object-keys.ts';
import { ownerSchema } from '../../../../src/formats/repository/history.ts';
import { putSealed } from '../../../../src/io/repository/sealed-object.ts';
import { DATABASE, makeScene, OWNER, runOf } from '../scene.ts';

const DAY_MS = 86_400_000;

it('forgets what came of a run 400 days after its end, and no sooner', async () => {
  const { deps, repository } = await makeScene();
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  const { runs } = await deps.openStore(DATABASE, 'local');
  const nowMs = Date.now();
  for (const [runId, days] of Object.entries({ old: 401, kept: 399 })) {
    const endedAtMs = nowMs - days * DAY_MS;
    const run = { workflowId: 'rstow/orders/verifyBackup/1', type: 'verifyBackup', database: DATABASE, state: 'done' };
    await runs.record({ ...run, runId, startedAtMs: endedAtMs, endedAtMs });
  }
  const input = { database: DATABASE, repository: 'local', nowMs };
  expect(await removeExpired(deps)({ ...input, isDry: true }, runOf('dry'))).toMatchObject({ others: 1, stays: [] });
  expect(await runs.names()).toHaveLength(2);
  expect(await removeExpired(deps)({ ...input, isDry: false }, runOf('expire'))).toMatchObject({ others: 1, stays: [] });
  expect((await runs.names()).map(({ runId }) => runId)).toEqual(['kept']);
});
