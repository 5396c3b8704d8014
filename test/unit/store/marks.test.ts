import { expect, it } from 'vitest';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import { marksOf } from '../../../src/store/marks.ts';
import { DATABASE } from '../activities/scene.ts';

const MARK = { name: 'release', timeline: '0001', label: '20261124T101500Z-hot', runId: 'one', atMs: 1_795_000_000_000 };

it('keeps a run’s first mark of a name, and refuses it to every other run', async () => {
  const marks = marksOf({ repository: createMemoryRepository(), database: DATABASE });
  await marks.requireFree(MARK);
  await marks.put(MARK);
  await marks.put({ ...MARK, label: '20261124T103000Z-hot' });
  await marks.requireFree(MARK);
  expect(await marks.newest(10)).toEqual({ total: 1, marks: [{ format: 1, ...MARK }] });
  for (const refused of [marks.requireFree({ ...MARK, runId: 'two' }), marks.put({ ...MARK, runId: 'two' })]) {
    await expect(refused).rejects.toMatchObject({ code: 'mark-taken', message: expect.stringContaining(MARK.label) as string });
  }
  expect(await marks.find('another')).toBeUndefined();
});
