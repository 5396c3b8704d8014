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

it('takes a mark from the backup that has it, and from no other, also if it can’t be read', async () => {
  const repository = createMemoryRepository();
  const marks = marksOf({ repository, database: DATABASE });
  await marks.put(MARK);
  await repository.put(`databases/${DATABASE}/marks/damaged.json`, Buffer.from('no seal'));
  expect(await marks.remove({ name: MARK.name, label: '20261124T103000Z-hot' })).toBe(false);
  expect(await marks.find(MARK.name)).toMatchObject(MARK);
  for (const name of [MARK.name, 'damaged']) {
    expect(await marks.remove({ name, label: MARK.label })).toBe(true);
    expect(await marks.remove({ name, label: MARK.label })).toBe(false);
  }
  expect(await marks.newest(10)).toEqual({ total: 0, marks: [] });
});

it('says which names the end of each backup has, and which can’t be read', async () => {
  const repository = createMemoryRepository();
  const marks = marksOf({ repository, database: DATABASE });
  const [first, other] = ['20261124T101500Z-hot', '20261124T103000Z-hot'];
  for (const mark of [MARK, { ...MARK, name: 'audit' }, { ...MARK, name: 'later', label: other }]) await marks.put(mark);
  await repository.put(`databases/${DATABASE}/marks/damaged.json`, Buffer.from('no seal'));
  const { byLabel, unreadable } = await marks.names();
  expect(Object.fromEntries(byLabel)).toEqual({ [first]: ['audit', 'release'], [other]: ['later'] });
  expect(unreadable).toEqual(['damaged']);
});
