import fc from 'fast-check';
import { expect, test } from 'vitest';
import { runOfSnapshot, snapshotName } from '../../../../src/core/backup/snapshot.ts';

const database = fc.stringMatching(/^[a-z0-9-]{1,63}$/);

test('a snapshot’s name gives back the run that it was taken for', () => {
  fc.assert(fc.property(database, fc.uuid(), (name, runId) => runOfSnapshot(name, snapshotName(name, runId)) === runId));
});

test('no snapshot is taken for that of another database, though one’s name begins as the other’s', () => {
  fc.assert(
    fc.property(
      database,
      database,
      fc.uuid(),
      (one, other, runId) => one === other || runOfSnapshot(one, snapshotName(other, runId)) === undefined,
    ),
  );
  expect(runOfSnapshot('orders', snapshotName('orders-copy', '01a22942-0a94-72d0-ab23-beff593be6a8'))).toBeUndefined();
});

test.each([
  'rstow-orders',
  'rstow-orders-snap',
  'rstmdb-snap',
  'orders-0123456789abcdef0123456789abcdef',
  'rstow-orders-0123456789ABCDEF0123456789ABCDEF',
])('%s is nobody’s run', (name) => expect(runOfSnapshot('orders', name)).toBeUndefined());
