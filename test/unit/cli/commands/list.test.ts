import { expect, it } from 'vitest';
import { listLines } from '../../../../src/cli/commands/list.ts';
import type { BackupRow, ListBackupsResult } from '../../../../src/contract/list-backups.ts';
import type { WalOffsetText } from '../../../../src/core/wal/wal-offset.ts';

const HOUR_MS = 3_600_000;
const extents = { segments: 1, first: '0000000000000001', last: '0000000000000001', end: '1' as WalOffsetText, sizeBytes: 999_900_000 };
const row = (label: string, more: Partial<BackupRow> = {}): BackupRow => ({
  kind: 'hot',
  ...{ label, isInUse: true, createdAtMs: Date.now() - 2 * HOUR_MS, bytesStored: 3400, timeline: '0001', extents },
  ...{ records: 19, machines: 1, instances: 25_000, stateDigest: 'ab', restorable: 'from-log' as const, ...more },
});
const listed = (backups: BackupRow[], more: Partial<ListBackupsResult> = {}): string[] =>
  listLines({
    ...{ outcome: 'done', runId: 'run', database: 'orders', warnings: [], repository: 'local', backups },
    ...{ total: backups.length, unreadable: [], laterByClock: [], ...more },
  });

it('shows age and added bytes, and keeps what a restore left apart from what is in use, within 80 columns', () => {
  const verified = { level: 'checksums' as const, atMs: 1 };
  const lines = listed([row('20261124T101500Z-hot', { verified }), row('20261124T101500Z-hot-2', { isInUse: false })]);
  expect(lines.every((line) => line.length <= 80)).toBe(true);
  expect(lines).toEqual([
    'In use, the newest first:',
    'LABEL                 AGE      LOG       ADDED   INSTANCES  VERIFIED',
    '20261124T101500Z-hot  2 h ago  999.9 MB  3.4 kB     25,000  checksums',
    'Abandoned by a restore or a recovery:',
    'LABEL                   AGE      LOG       ADDED   INSTANCES  VERIFIED',
    '20261124T101500Z-hot-2  2 h ago  999.9 MB  3.4 kB     25,000  never',
  ]);
});

it('keeps what was imported apart from both', () => {
  const lines = listed([row('A'), row('20261124T031500Z-import', { kind: 'import', isInUse: false })]);
  expect(lines[3]).toBe('Imported from archives of other tools:');
  expect(lines[5]).toContain('20261124T031500Z-import');
});

it('says of a bad backup why it is bad', () => {
  const failed = { code: 'damaged-object', sentence: 'a piece', atMs: 1 };
  const lines = listed([row('A', { failed, restorable: 'no' }), row('B', { restorable: 'no' })], { total: 3 });
  expect(lines[2]).toContain('FAILED damaged-object');
  expect(lines[3]).toContain('NOT RESTORABLE');
  expect(lines.at(-1)).toBe('and 1 older backup');
});
