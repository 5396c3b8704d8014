import { expect, it } from 'vitest';
import { expireLines } from '../../../../src/cli/commands/expire.ts';
import type { ExpireBackupsResult } from '../../../../src/contract/expire-backups.ts';

const RESULT: ExpireBackupsResult = {
  outcome: 'done',
  runId: 'run',
  database: 'orders',
  warnings: [],
  repository: 'local',
  applied: false,
  planHash: 'ab12',
  keep: [{ label: '20261130T101500Z-hot', why: ['the newest'] }],
  expire: [{ label: '20261001T101500Z-hot', why: '60 days old, and no rule keeps it' }],
  keepCount: 1,
  expireCount: 1,
  expired: 0,
  removed: { manifests: 1, pieces: 3, superseded: 1, others: 2, bytes: 4_000 },
  durationMs: 1_000,
};

const textOf = (...given: Parameters<typeof expireLines>): string =>
  expireLines(...given)
    .join('\n')
    .replace(/\s+/g, ' ');

it('says without --apply what would be done, and of nothing that it was', () => {
  const text = textOf(RESULT);
  expect(text).toContain('Would go: BACKUP WHY 20261001T101500Z-hot 60 days old, and no rule keeps it ');
  expect(text).toContain(' backups 1 stays, 1 would go would move 1 manifest to the trash, for a day at least would delete 3 pieces, ');
  expect(text).toContain('4.0 kB to do it ');
  expect(text).not.toMatch(/\bmade\b|\b(gone|moved|deleted|expired)\b/i);
});

it('prints the whole command that does what was planned, whichever repository that was in', () => {
  const label = '20261001T101500Z-hot';
  const far = { ...RESULT, repository: 'far' };
  expect(textOf(far)).toContain(' to do it `rstow expire orders --repository far --apply` ');
  expect(textOf(far, { despiteClocks: true })).toContain(' `rstow expire orders --repository far --despite-clocks --apply` ');
  const explained = { label, expire: '60 days old, and no rule keeps it' };
  expect(textOf({ ...far, explained })).toBe(
    `${label} goes at the next \`rstow expire orders --repository far --apply\`: 60 days old, and no rule keeps it`,
  );
});

it('says with --apply what was done', () => {
  const text = textOf({ ...RESULT, applied: true, expired: 1 });
  expect(text).toContain('Gone: ');
  expect(text).toContain(' moved 1 manifest to the trash, for a day at least deleted 3 pieces, ');
  expect(text).not.toMatch(/would|to do it/i);
});
