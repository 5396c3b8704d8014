import { expect, it } from 'vitest';
import { planExpiry } from '../../../../src/activities/expiry/plan-expiry.ts';
import { type Removed, removeExpired } from '../../../../src/activities/expiry/remove-expired.ts';
import { ownerKey } from '../../../../src/core/repository/object-keys.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { ownerSchema } from '../../../../src/formats/repository/history.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { putSealed } from '../../../../src/io/repository/sealed-object.ts';
import type { Runs } from '../../../../src/store/runs.ts';
import { DATABASE, makeScene, OWNER, runOf } from '../scene.ts';

const DAY_MS = 86_400_000;

const RUN = { workflowId: 'rstow/orders/verifyBackup/1', type: 'verifyBackup', database: DATABASE, state: 'done' };

const REFUSED = /run-([0-9]+)/;

it('forgets what came of a run 400 days after its end, and no sooner', async () => {
  const { deps, repository } = await makeScene();
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  const { runs } = await deps.openStore(DATABASE, 'local');
  const nowMs = Date.now();
  for (const [runId, days] of Object.entries({ old: 401, kept: 399 })) {
    const endedAtMs = nowMs - days * DAY_MS;
    await runs.record({ ...RUN, runId, startedAtMs: endedAtMs, endedAtMs });
  }
  const input = { database: DATABASE, repository: 'local', nowMs };
  expect(await removeExpired(deps)({ ...input, isDry: true }, runOf('dry'))).toMatchObject({ others: 1, stays: [] });
  expect(await runs.names()).toHaveLength(2);
  expect(await removeExpired(deps)({ ...input, isDry: false }, runOf('expire'))).toMatchObject({ others: 1, stays: [] });
  expect((await runs.names()).map(({ runId }) => runId)).toEqual(['kept']);
});

it('names the run whose clock was ahead, and what lets backups expire all the same', async () => {
  const { deps, repository } = await makeScene();
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  const nowMs = Date.now();
  const aheadMs = nowMs + 9_000 * DAY_MS;
  const { runs } = await deps.openStore(DATABASE, 'local');
  await runs.record({ ...RUN, runId: 'ahead', startedAtMs: nowMs, endedAtMs: aheadMs });
  const planning = (despiteClocks: boolean): Promise<object> =>
    planExpiry(deps)({ database: DATABASE, nowMs, despiteClocks }, runOf('expire'));
  await expect(planning(false)).rejects.toMatchObject({
    code: 'clock-doubtful',
    message: expect.stringContaining(`run ahead of "orders" ended at ${new Date(aheadMs).toISOString()}`) as string,
    hint: expect.stringMatching(/`rstow expire orders --despite-clocks`.*schedule.*`despiteClocks: true`/) as string,
  });
  expect(await planning(true)).toMatchObject({ expireCount: 0 });
});

it.each([
  ['all others', 13, { others: 1 }],
  ['nothing, if all of many are refused, and says so', 14, undefined],
])('deletes %s where the storage refuses the first ones', async (_, count, removed) => {
  const memory = createMemoryRepository();
  const deleteMany: typeof memory.deleteMany = async (keys) => {
    for (const key of keys) {
      if (REFUSED.test(key) && Number(REFUSED.exec(key)?.[1]) < count) throw new RstowError('repository-unavailable', `${key} is locked`);
      await memory.deleteMany([key]);
    }
  };
  const { runs, removing } = await removingRuns({ ...memory, deleteMany }, 14);
  if (removed === undefined) return expect(removing).rejects.toMatchObject({ code: 'repository-unavailable' });
  const { stays, ...rest } = await removing;
  expect(rest).toMatchObject(removed);
  expect(stays).toHaveLength(11);
  expect(stays.at(-1)).toBe('and 3 other objects as well');
  expect(await runs.names()).toHaveLength(count);
});

it('asks for no more than 500 objects of which none goes', async () => {
  const asked: string[] = [];
  const deleteMany = async (keys: readonly string[]): Promise<void> => {
    if (keys.length === 1) asked.push(...keys);
    return Promise.reject(new RstowError('repository-unavailable', 'all of them are locked'));
  };
  const { removing } = await removingRuns({ ...createMemoryRepository(), deleteMany }, 501);
  await expect(removing).rejects.toMatchObject({ code: 'repository-unavailable', message: 'all of them are locked' });
  expect(asked).toHaveLength(500);
});

it('fails at the tenth of a repository that is away by then, and calls none of its objects refused', async () => {
  const memory = createMemoryRepository();
  const away = new RstowError('repository-unavailable', 'it is away');
  let asked = 0;
  const { runs, removing } = await removingRuns(
    {
      ...memory,
      keys: (...of) => {
        if (asked > 3) throw away;
        return memory.keys(...of);
      },
      deleteMany: async (keys) => {
        if (keys.length > 1) throw away;
        asked += 1;
        if (asked > 3) throw away;
        await memory.deleteMany(keys);
      },
    },
    30,
  );
  await expect(removing).rejects.toMatchObject({
    code: 'repository-unavailable',
    message: expect.stringContaining('it is away') as string,
  });
  expect(asked).toBe(13);
  asked = 0;
  expect(await runs.names()).toHaveLength(27);
});

/** So many records of runs are old enough to go. */
async function removingRuns(repository: Repository, count: number): Promise<{ runs: Runs; removing: Promise<Removed> }> {
  const { deps } = await makeScene(repository);
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  const { runs } = await deps.openStore(DATABASE, 'local');
  const nowMs = Date.now();
  for (let index = 0; index < count; index += 1) {
    const endedAtMs = nowMs - 401 * DAY_MS + index;
    await runs.record({ ...RUN, runId: `run-${index}`, startedAtMs: endedAtMs, endedAtMs });
  }
  return { runs, removing: removeExpired(deps)({ database: DATABASE, repository: 'local', nowMs, isDry: false }, runOf('expire')) };
}
