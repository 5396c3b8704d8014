import { expect, it } from 'vitest';
import { recordLines } from '../../../src/cli/run-records-text.ts';
import { type DatabaseStatus, statusExitCode, statusLines } from '../../../src/cli/status-text.ts';
import type { CheckDatabaseResult } from '../../../src/contract/check-database.ts';
import type { DescribeDatabaseResult } from '../../../src/contract/describe-database.ts';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';
import type { RunRecord } from '../../../src/core/runs/run-record.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 12);
const HOUR_MS = 3_600_000;
const ago = (hours: number): number => NOW_MS - hours * HOUR_MS;
const LABEL = '20261124T100000Z-hot';

const described = {
  ...{ database: 'orders', warnings: [], protection: { isProtected: true, gaps: [] } },
  restorable: { label: LABEL, createdAtMs: ago(2), restorable: 'from-log' },
  window: { archive: { seenMs: ago(1), stepMs: 1000 } },
  latest: { verified: { level: 'replay', atMs: ago(1) } },
  ...{ lastVerified: null, testFailed: null, tested: { label: LABEL, atMs: ago(24), rtoMs: 12_300 }, held: [], lastBackup: null },
} as unknown as DescribeDatabaseResult;

const checked = {
  database: 'orders',
  warnings: [],
  findings: [
    { code: 'restart-safe', severity: 'ok', sentence: 'a restart now loses nothing: the log in place is whole' },
    { code: 'archive', severity: 'ok', sentence: 'the repository has all of the log in place, within 850 ms: 3 segments' },
  ],
} as unknown as CheckDatabaseResult;

const failed: RunRecord = {
  ...{ runId: 'r2', workflowId: 'w2', type: 'verifyBackup', database: 'orders', who: 'cem@db1', why: 'weekly check' },
  ...{ startedAtMs: ago(3), endedAtMs: ago(3) + 4000, state: 'failed', sources: ['temporal'] },
  failure: { code: 'damaged-object', sentence: 'piece 0001 of the log is not what was stored' },
};

const status: DatabaseStatus = {
  database: 'orders',
  described: { answer: described },
  checked: { answer: checked },
  temporal: {
    answer: {
      open: [
        {
          ...{ runId: 'r1', workflowId: 'w1', type: 'hotBackup', database: 'orders', who: 'ada@db1', why: 'before the release' },
          ...{ startedAtMs: ago(0.1), state: 'running', sources: ['temporal'] },
          ...{ phase: 'store segments', progress: { doneBytes: 5_000_000, totalBytes: 10_000_000 } },
        },
      ],
      last: [failed],
      schedules: [
        { id: 'rstow-orders-hotBackup', isPaused: false, nextAtMs: NOW_MS + HOUR_MS, missed: 2, skipped: 0 },
        { id: 'rstow-orders-verifyBackup', isPaused: true, nextAtMs: undefined, missed: 0, skipped: 0 },
      ],
    },
  },
};

it('shows a database on one screen of 80 columns', () => {
  expect(statusLines(status, 80, NOW_MS)).toEqual([
    'PROTECTED    orders',
    'restorable   20261124T100000Z-hot, 2026-11-24 10:00:00Z (2 h ago)',
    'last record  archived 2026-11-24 11:00:00Z (1 h ago)',
    'verified     replay 2026-11-24 11:00:00Z (1 h ago)',
    'recovered    20261124T100000Z-hot in 12.3 s, 2026-11-23 12:00:00Z (24 h ago)',
    'restart      a restart now loses nothing: the log in place is whole',
    'archive      the repository has all of the log in place, within 850 ms: 3',
    '             segments',
    'open runs    hotBackup: store segments, 5.0 MB of 10.0 MB; began 6 min ago, by',
    '             ada@db1',
    '               because: before the release',
    'last runs    verifyBackup 2 h ago, by cem@db1: FAILED damaged-object in 4.0 s:',
    '             piece 0001 of the log is not what was stored',
    'schedules    rstow-orders-hotBackup: next 2026-11-24 13:00:00Z (in 1 h)',
    '             schedule rstow-orders-hotBackup has passed over 2 starts, because',
    '             Temporal was down for too long',
    '             rstow-orders-verifyBackup: PAUSED',
  ]);
});

it('shows what the repository says and why Temporal could not be asked', () => {
  const error = new RstowError('temporal-unreachable', 'no Temporal server answers at 127.0.0.1:7233');
  const without: DatabaseStatus = { ...status, temporal: { error } };
  expect(statusLines(without, 80, NOW_MS)).toContain('restorable   20261124T100000Z-hot, 2026-11-24 10:00:00Z (2 h ago)');
  expect(statusLines(without, 200, NOW_MS).at(-1)).toBe(
    'not asked    runs and schedules could not be asked: temporal-unreachable: no Temporal server answers at 127.0.0.1:7233',
  );
  expect([statusExitCode([status]), statusExitCode([status, without])]).toEqual([0, 3]);
});

it('says that the last backup failed, and ends with 3, though an older backup still protects the database', () => {
  const failure = { code: 'repository-unavailable', sentence: 'folder /backup is not there' };
  const lastBackup = { workflowId: 'w3', endedAtMs: ago(0.1), failure };
  const late: DatabaseStatus = { ...status, described: { answer: { ...described, lastBackup } } };
  const [first, second, third] = statusLines(late, 80, NOW_MS);
  expect(first).toBe('PROTECTED    orders');
  expect([second, third].join('\n')).toBe(
    'last backup  FAILED 2026-11-24 11:54:00Z (6 min ago): repository-unavailable:\n             folder /backup is not there',
  );
  expect([statusExitCode([status]), statusExitCode([late])]).toEqual([0, 3]);
});

it('shows how many backups are held, and why the newest of them is', () => {
  const held = [
    { label: '20261101T100000Z-hot', reason: 'an older case', by: 'ben' },
    { label: LABEL, reason: 'the auditors want it', by: 'ann' },
    { label: LABEL, reason: 'so do the lawyers' },
  ];
  const lines = statusLines({ ...status, described: { answer: { ...described, held } } }, 80, NOW_MS);
  const at = lines.findIndex((line) => line.startsWith('held'));
  expect(lines.slice(at, at + 2)).toEqual([
    'held         2 backups, the newest 20261124T100000Z-hot, held by ann: the',
    '             auditors want it',
  ]);
});

it('says once why nothing is known of the protection', () => {
  const error = new RstowError('repository-unavailable', 'not mounted');
  const lines = statusLines({ ...status, described: { error }, checked: { error } }, 80, NOW_MS);
  expect(lines[0]).toMatch(/^UNKNOWN +orders$/);
  expect(lines.filter((line) => line.includes('not asked'))).toEqual([
    'not asked  protection could not be asked: repository-unavailable: not mounted',
  ]);
});

it('tells a release from a hold', () => {
  const of = (isRelease?: true): RunRecord => ({
    ...{ runId: 'r3', type: 'holdBackup', database: 'orders', startedAtMs: ago(3), state: 'done', sources: ['temporal'], isRelease },
  });
  expect([of(), of(true)].map((record) => recordLines([record])[0])).toEqual([
    '2026-11-24 09:00:00Z  holdBackup of orders: done',
    '2026-11-24 09:00:00Z  holdBackup (release) of orders: done',
  ]);
});

it('prints of each run when, what, who, why and what came of it', () => {
  const old: RunRecord = {
    ...{ runId: 'r0', type: 'testRecovery', database: 'orders', startedAtMs: ago(48) },
    state: 'done',
    sources: ['repository'],
    label: LABEL,
  };
  expect(recordLines([failed, old], 80)).toEqual([
    '2026-11-24 09:00:00Z  verifyBackup of orders: FAILED damaged-object in 4.0 s:',
    '                      piece 0001 of the log is not what was stored',
    '  who                 cem@db1',
    '  why                 weekly check',
    '  run                 r2',
    '',
    '2026-11-22 12:00:00Z  testRecovery of orders: done',
    '  who                 not known',
    '  backup              20261124T100000Z-hot',
    '  run                 r0',
  ]);
});
