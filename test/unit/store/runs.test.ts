import { expect, it } from 'vitest';
import { isForeignKey } from '../../../src/core/repository/object-keys.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import { runsOf } from '../../../src/store/runs.ts';
import { DATABASE } from '../activities/scene.ts';

const RUN = {
  ...{
    runId: '8405c246-7b4f',
    workflowId: 'rstow/orders/restore/1',
    type: 'restore',
    database: DATABASE,
    who: 'ada@db1',
    why: 'a bad release',
  },
  ...{
    startedAtMs: 1_795_000_000_000,
    endedAtMs: 1_795_000_060_000,
    state: 'failed',
    failure: { code: 'disk-full', sentence: 'no space' },
  },
};

it('keeps what came of a run under its end and its id, once, and names the newest last', async () => {
  const runs = runsOf({ repository: createMemoryRepository(), database: DATABASE });
  const later = { ...RUN, runId: 'later', endedAtMs: RUN.endedAtMs + 1 };
  await runs.record(later);
  await runs.record(RUN);
  await runs.record({ ...RUN, state: 'done' });
  const names = await runs.names();
  expect(names).toEqual([RUN, later].map(({ runId, endedAtMs }) => ({ runId, endedAtMs })));
  expect(await runs.read(names[0]!)).toEqual({ format: 1, ...RUN });
});

it('passes over what others have put there', async () => {
  expect(isForeignKey(`databases/${DATABASE}/runs/.DS_Store`)).toBe(true);
  expect(isForeignKey(`databases/${DATABASE}/runs/1795000060000.8405c246-7b4f.json`)).toBe(false);
  const repository = createMemoryRepository();
  await repository.put(`databases/${DATABASE}/runs/notes.txt`, Buffer.from('x'));
  expect(await runsOf({ repository, database: DATABASE }).names()).toEqual([]);
});
