import { expect, it } from 'vitest';
import { explainPoint } from '../../../../src/activities/recovery-point/explain-point.ts';
import { DATABASE, makeScene, runOf } from '../scene.ts';
import { created, find, storeLog } from './model-history.ts';

it('shows the next record behind an empty segment, and of a name as long as a record its beginning', async () => {
  const scene = await makeScene();
  const [long, longer] = ['x'.repeat(100_000), 'y'.repeat(100_000)];
  await storeLog(scene, { segments: [[created('a'), created(long)], [], [created(longer)]] });
  const { pointKey } = await find(scene, { sequence: 2 });
  const explain = explainPoint(scene.deps);
  const explained = await explain({ database: DATABASE, repository: 'local', pointKey, isInPlace: true }, runOf('explains'));
  expect(explained.lastRecords.map(({ instance }) => instance)).toEqual(['a', `${'x'.repeat(512)}…`]);
  expect(explained.nextRecord).toMatchObject({ type: 'create_instance', instance: `${'y'.repeat(512)}…`, sequence: 3 });
  expect(explained.difference).toMatchObject({ instancesDeleted: { count: 1, first: [`${'y'.repeat(512)}…`] } });
});
