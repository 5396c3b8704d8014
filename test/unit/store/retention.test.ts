import { expect, it } from 'vitest';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import { retentionOf } from '../../../src/store/retention.ts';
import { DATABASE } from '../activities/scene.ts';

const [LABEL, OTHER] = ['20261124T101500Z-hot', '20261124T101500Z-hot-2'];

it('says who holds a backup, also where a hold can’t be read, and releases no other', async () => {
  const repository = createMemoryRepository();
  const retention = retentionOf({ repository, database: DATABASE });
  await retention.hold({ label: LABEL, reason: 'audit', by: 'ann', atMs: 1, runId: 'one' });
  await retention.hold({ label: LABEL, reason: 'a later word', atMs: 2, runId: 'one' });
  await retention.hold({ label: OTHER, reason: 'migration', atMs: 1, runId: 'two' });
  const damaged = `databases/${DATABASE}/holds/${LABEL}.three.json`;
  await repository.put(damaged, Buffer.from('no seal'));
  expect(await retention.holds(LABEL)).toEqual([
    { label: LABEL, reason: 'audit', by: 'ann' },
    { label: LABEL, reason: `${damaged} can’t be read` },
  ]);
  expect(await retention.holds()).toHaveLength(3);
  expect(await retention.release(LABEL)).toBe(2);
  expect(await retention.release(LABEL)).toBe(0);
  expect(await retention.holds()).toEqual([{ label: OTHER, reason: 'migration' }]);
});
