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

const textOf = (result: ExpireBackupsResult): string => expireLines(result).join('\n').replace(/ +/g, ' ');

it('says without --apply what would be done, and of nothing that it was', () => {
  const text = textOf(RESULT);
  expect(text).toContain('Would go:\nBACKUP WHY\n20261001T101500Z-hot 60 days old, and no rule keeps it\n');
  expect(text).toContain('\nbackups 1 stays, 1 would go\nwould move 1 manifest to the trash, for a day at least\nwould delete 3 pieces, ');
  expect(text).toContain('4.0 kB\nto do it `rstow expire --apply`\n');
  expect(text).not.toMatch(/\bmade\b|^(gone|moved|deleted|expired)/im);
});

it('says with --apply what was done', () => {
  const text = textOf({ ...RESULT, applied: true, expired: 1 });
  expect(text).toContain('Gone:\n');
  expect(text).toContain('\nmoved 1 manifest to the trash, for a day at least\ndeleted 3 pieces, ');
  expect(text).not.toMatch(/would|to do it/i);
});
