import { expect, test } from 'vitest';
import type { GuardState } from '../../../../src/core/guard/guard-state.ts';
import type { Compaction } from '../../../../src/core/protection/compaction.ts';
import { type NewestBackup, protectionGaps, type ProtectionFacts } from '../../../../src/core/protection/verdict.ts';

const GUARD_ON: GuardState = {
  kind: 'on',
  timeline: '0001',
  pinned: 3,
  unpinned: 0,
  missing: [],
  lost: [],
  lostSinceMs: null,
  keptBytes: 0,
};
const NOW_MS = Date.UTC(2026, 10, 29);
const MINUTE_MS = 60_000;

const newest: NewestBackup = { label: 'B', createdAtMs: NOW_MS - 20 * MINUTE_MS, restorable: 'from-log' };
const protectedFacts: ProtectionFacts = {
  database: 'orders',
  nowMs: NOW_MS,
  owner: { agent: 'db1' },
  server: { compaction: { isOn: false, source: { kind: 'environment', pid: 7, value: 'false' } }, guard: GUARD_ON },
  schedule: { id: 'rstow-orders-hotBackup', everyMs: 15 * MINUTE_MS, isPaused: false },
  newest,
  restorable: newest,
};

const gapsWith = (changes: Partial<ProtectionFacts>) => protectionGaps({ ...protectedFacts, ...changes });
const codesWith = (changes: Partial<ProtectionFacts>): string[] => gapsWith(changes).map(({ code }) => code);

test('a database is protected while it is backed up again and again, recently, and restorably', () => {
  expect(gapsWith({})).toEqual([]);
});

test('what the archive holds behind a hole is not protected, and the next backup mends that', () => {
  const [found] = gapsWith({ lostFrom: '3298534883328' });
  expect(found).toMatchObject({ code: 'wal-gap', remedy: expect.stringContaining('rstow backup orders') as string });
  expect(codesWith({ lostFrom: '3298534883328', newest: { ...newest, restorable: 'no' } })).toEqual(['wal-gap']);
});

test('nothing that is missing passes for protection', () => {
  expect(codesWith({ owner: null, server: null })).toEqual(['owner-outdated']);
  expect(codesWith({ server: null })).toEqual(['agent-unreachable']);
  expect(codesWith({ newest: null, restorable: null })).toEqual(['backup-not-found']);
  expect(codesWith({ unreadable: { label: 'C', code: 'damaged-object' } })).toEqual(['damaged-object']);
  expect(codesWith({ unreadable: { label: 'C', code: 'format-unsupported' } })).toEqual(['format-unsupported']);
  expect(codesWith({ schedule: null })).toEqual(['no-schedule']);
  expect(codesWith({ schedule: { id: 's', everyMs: 15 * MINUTE_MS, isPaused: true } })).toEqual(['no-schedule']);
  const { compaction, guard } = protectedFacts.server as NonNullable<ProtectionFacts['server']>;
  expect(codesWith({ server: { failure: { code: 'server-unreachable', sentence: 'nobody answers' }, compaction, guard } })).toEqual([
    'server-unreachable',
  ]);
});

test('by the calendar, a backup may be as old as the two gaps around the latest run', () => {
  const hour = 60 * MINUTE_MS;
  const aged = (ageMs: number, cron: string) =>
    codesWith({ newest: { ...newest, createdAtMs: NOW_MS - ageMs }, schedule: { id: 's', cron, timeZone: 'UTC', isPaused: false } });
  expect(aged(12 * hour, '0 */6 * * *')).toEqual([]);
  expect(aged(12 * hour + 1, '0 */6 * * *')).toEqual(['backup-too-old']);
  expect(aged(14 * 24 * hour, '0 3 * * 0')).toEqual([]);
  expect(aged(14 * 24 * hour + 1, '0 3 * * 0')).toEqual(['backup-too-old']);
});

test('a backup may be as old as two intervals, and no older', () => {
  const aged = (ageMs: number) => codesWith({ newest: { ...newest, createdAtMs: NOW_MS - ageMs } });
  expect(aged(30 * MINUTE_MS)).toEqual([]);
  expect(aged(30 * MINUTE_MS + 1)).toEqual(['backup-too-old']);
  // Within what the clocks of two hosts may be apart, and beyond.
  expect(aged(-5 * MINUTE_MS)).toEqual([]);
  expect(aged(-5 * MINUTE_MS - 1)).toEqual(['clock-contradiction']);
});

test('compaction that is on is said with where it is set, and with the line to change', () => {
  const compaction: Compaction = { isOn: true, source: { kind: 'default', file: '/etc/rstmdb.yaml' } };
  const [gap] = gapsWith({ server: { compaction, guard: { kind: 'unsupported', why: '/data/wal is a mount point' } } });
  expect(gap).toEqual({
    code: 'compaction-on',
    sentence:
      'automatic compaction is on and deletes log that the next start needs (the server’s default, which /etc/rstmdb.yaml leaves as it is), and the restart guard can’t work here: /data/wal is a mount point',
    remedy: 'write `compaction: {enabled: false}` in /etc/rstmdb.yaml and restart the server',
  });
});

test('compaction that is on takes nothing while the restart guard works, and only then', () => {
  const compaction: Compaction = { isOn: true, source: { kind: 'default' } };
  expect(codesWith({ server: { compaction, guard: GUARD_ON } })).toEqual([]);
  const idle: GuardState[] = [{ kind: 'off' }, { kind: 'waiting' }, { kind: 'replaced', why: 'other files' }];
  for (const guard of idle) expect(codesWith({ server: { compaction, guard } })).toEqual(['compaction-on']);
});

test('a server that compaction has emptied leaves the database unprotected, and the backup from before it is named', () => {
  const emptied = { ...newest, label: 'C', restorable: 'no' };
  const [gap] = gapsWith({ newest: emptied });
  expect(gap?.code).toBe('wal-gap');
  expect(gap?.remedy).toContain('rstow restore orders --backup B');
  expect(gapsWith({ newest: emptied, restorable: null })[0]?.remedy).toContain('no other backup can be restored');
});

test('a backup that failed a check protects nothing', () => {
  const failed = { ...newest, failed: { code: 'damaged-object', sentence: 'a piece is damaged' } };
  expect(codesWith({ newest: failed, restorable: null })).toEqual(['damaged-object']);
});
