import { expect, test } from 'vitest';
import { snapshotBackupLines } from '../../../../src/cli/commands/backup.ts';
import type { SnapshotBackupResult } from '../../../../src/contract/snapshot-backup.ts';
import { makeWalOffset, type SegmentId, walOffsetText } from '../../../../src/core/wal/wal-offset.ts';

const RESULT: SnapshotBackupResult = {
  outcome: 'done',
  runId: '01a22942-0a94-72d0-ab23-beff593be6a8',
  database: 'orders',
  warnings: [],
  label: '20261129T214217Z-lvm',
  extents: { segments: 1, first: '1', last: '1', end: walOffsetText(makeWalOffset(1 as SegmentId, 500)), sizeBytes: 500 },
};

const snapshotLine = (snapshot: SnapshotBackupResult['snapshot']): string | undefined =>
  snapshotBackupLines({ ...RESULT, snapshot })
    .find((line) => line.startsWith('snapshot'))
    ?.replace(/ +/g, ' ');

test('says of a snapshot how long it was held, and how full it got if it has a size of its own', () => {
  const held = { name: 'rstow-orders-1', heldMs: 3000 };
  expect(snapshotLine({ ...held, volume: 'vg/db', sizeBytes: 1_000_000, usedPercent: 12.5 })).toBe(
    'snapshot rstow-orders-1 of vg/db, held for 3.0 s, 12.5 % of 1.0 MB used',
  );
  expect(snapshotLine({ ...held, volume: 'tank/rstmdb' })).toBe('snapshot rstow-orders-1 of tank/rstmdb, held for 3.0 s');
  expect(snapshotLine(undefined)).toBeUndefined();
});
