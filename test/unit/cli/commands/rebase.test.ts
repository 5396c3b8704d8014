import { expect, test } from 'vitest';
import { rebaseLines } from '../../../../src/cli/commands/rebase.ts';
import type { RebaseDatabaseResult } from '../../../../src/contract/rebase-database.ts';

const planned = {
  outcome: 'done',
  runId: 'run',
  database: 'orders',
  warnings: [],
  durationMs: 100,
  dryRun: true,
  label: '20261129T184623Z-hot',
  dataDir: '/var/lib/rstmdb',
  agent: 'db1',
  archivedEnd: '6597069913859',
  extents: { segments: 6, sizeBytes: 5_300_000, end: '6597069793589' },
  baseline: { segment: '0000000000000005', replacedBytes: 5_200_000, writtenBeforeMs: 0 },
  log: { before: { segments: 6, sizeBytes: 5_300_000 }, after: { segments: 2, sizeBytes: 26_900 } },
} as unknown as RebaseDatabaseResult;

test('promises of a plan neither a length that only the baseline decides, nor a loss that the run’s own backup rules out', () => {
  const text = rebaseLines(planned).join(' ').replaceAll(/\s+/g, ' ');
  expect(text).toContain('5.3 MB in 6 segments → 26.9 kB, behind a baseline with the present state');
  expect(text).toContain('planned with 20261129T184623Z-hot, the newest backup; the rebase itself makes a new one first');
  expect(text).not.toMatch(/would restore|--target-latest|in no backup/);
});

test('says of a rebase that is done how long the log is', () => {
  const done = { ...planned, dryRun: false, log: { ...planned.log!, after: { segments: 2, sizeBytes: 3_700_000 } } };
  expect(rebaseLines(done).join('\n')).toContain('5.3 MB in 6 segments → 3.7 MB in 2 segments');
});
