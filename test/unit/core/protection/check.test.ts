import { describe, expect, test } from 'vitest';
import { holesOf } from '../../../../src/core/protection/archive-state.ts';
import { type BackupFacts, type CheckFacts, checkFindings } from '../../../../src/core/protection/check.ts';
import { SEVERITIES, worstOf } from '../../../../src/core/protection/finding.ts';
import { growthPerDay, type HostFacts, hostFindings } from '../../../../src/core/protection/host-risks.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { RESTART, SURVEYED_HOST } from '../../../workflow/plausible-answers.ts';

const NOW_MS = Date.UTC(2026, 10, 29);
const DAY_MS = 86_400_000;
const GB = 1e9;

const backups: BackupFacts = {
  latest: { label: 'B', createdAtMs: NOW_MS - 60_000 },
  sinceMs: NOW_MS - 100 * DAY_MS,
  verified: { label: 'B', atMs: NOW_MS - DAY_MS },
  tested: { label: 'A', atMs: NOW_MS - 10 * DAY_MS },
  testFailed: null,
  freeBytes: 1e12,
};

const well: CheckFacts = {
  database: 'orders',
  nowMs: NOW_MS,
  gaps: [],
  refusedAttributes: [],
  stale: [],
  backups,
  restart: RESTART,
  host: { ...SURVEYED_HOST, limits: { verifiedWithinMs: 8 * DAY_MS, testedWithinMs: 32 * DAY_MS } },
  archive: { isContinuous: true, stored: 3, unsavedSegments: 0, unsavedBytes: 0, lagMs: 900, requiresSignatures: true },
};

const bad = (changes: Partial<CheckFacts>): [severity: string, code: string][] =>
  checkFindings({ ...well, ...changes }).flatMap(({ severity, code }) => (severity === 'ok' ? [] : [[severity, code]]));

const badHost = (changes: Partial<HostFacts>): [severity: string, code: string][] =>
  hostFindings('orders', { ...SURVEYED_HOST.facts, ...changes }).flatMap(({ severity, code }) =>
    severity === 'ok' ? [] : [[severity, code]],
  );

describe('a check of the repository', () => {
  const archive = { isContinuous: true, stored: 3, unsavedSegments: 0, unsavedBytes: 0, lagMs: 900, requiresSignatures: false };

  test('says what it means if the config lists no signers', () => {
    expect(checkFindings({ ...well, archive })).toContainEqual({
      severity: 'ok',
      code: 'signatures-unchecked',
      sentence: 'what the repository holds counts whoever has written it: its config lists no signers',
    });
  });

  test('finds one that is older than it was critical, also if its log can’t be compared', () => {
    const rolledBack = 'folder /backup lacks backup 20261129T101500Z-hot, which was there before';
    const fault = { code: 'timeline-diverged', sentence: 's' };
    expect(bad({ archive: { ...archive, rolledBack } })).toEqual([['critical', 'repository-rolled-back']]);
    expect(bad({ archive: { ...archive, rolledBack, fault } })).toEqual([
      ['critical', 'repository-rolled-back'],
      ['critical', 'timeline-diverged'],
    ]);
  });
});

describe('a check of the copies', () => {
  const copies = { label: 'B', stored: 1, wanted: 3, quorum: 2, lacking: ['near', 'far'], isNew: false };
  const found = (changes: Partial<typeof copies>) => bad({ backups: { ...backups, copies: { ...copies, ...changes } } });

  test('finds fewer than the quorum critical, unless the run of that backup may still be copying it', () => {
    expect(found({})).toEqual([['critical', 'quorum-not-reached']]);
    expect(found({ isNew: true })).toEqual([['warning', 'copies-lacking']]);
    expect(found({ stored: 2, lacking: ['far'] })).toEqual([['warning', 'copies-lacking']]);
    expect(found({ stored: 3, lacking: [] })).toEqual([]);
  });
});

describe('a check', () => {
  test('finds all well where it is, with the figures', () => {
    const findings = checkFindings(well);
    expect(worstOf(findings)).toBe('ok');
    expect(findings.map(({ code }) => code)).toEqual([
      'restart-safe',
      'backup-recent',
      'verified',
      'tested',
      'repository-space',
      'signatures-required',
      'archive',
      'guard',
      'memory-fits',
      'disk-space',
      'fsync',
    ]);
    const figures = Object.assign({}, ...findings.map((finding) => finding.figures ?? {})) as Record<string, number>;
    expect(figures).toMatchObject({ instancesLost: 0, backupAgeMs: 60_000, testAgeMs: 10 * DAY_MS, unsavedBytes: 0, diskFreeBytes: 1e12 });
  });

  test('calls unknown what could not be asked', () => {
    const unasked = { unasked: { code: 'agent-unreachable', sentence: 'nobody answers' } };
    expect(bad({ restart: unasked, host: unasked, archive: unasked, backups: unasked })).toEqual([
      ['unknown', 'restart-unknown'],
      ['unknown', 'repository-unknown'],
      ['unknown', 'archive-unknown'],
      ['unknown', 'host-unknown'],
    ]);
  });

  test('puts the heaviest first: critical, unknown, warning', () => {
    const gap = (code: string) => ({ code, sentence: 's', remedy: 'r' });
    const gaps = ['no-schedule', 'agent-unreachable', 'wal-gap', 'backup-too-old'].map(gap);
    const severities = checkFindings({ ...well, gaps }).map(({ severity }) => SEVERITIES.indexOf(severity));
    expect(severities).toEqual(severities.toSorted((one, other) => other - one));
    expect(bad({ gaps })).toEqual([
      ['critical', 'wal-gap'],
      ['unknown', 'agent-unreachable'],
      ['warning', 'no-schedule'],
      ['warning', 'backup-too-old'],
    ]);
  });

  test('warns of checks that are too long ago, and of none that a young database has still to come', () => {
    const old = { label: 'A', atMs: NOW_MS - 33 * DAY_MS };
    expect(bad({ backups: { ...backups, verified: old, tested: old } })).toEqual([
      ['warning', 'verification-due'],
      ['warning', 'test-due'],
    ]);
    const never = { ...backups, verified: null, tested: null };
    expect(bad({ backups: never })).toEqual([
      ['warning', 'verification-due'],
      ['warning', 'test-due'],
    ]);
    expect(bad({ backups: { ...never, sinceMs: NOW_MS - DAY_MS } })).toEqual([]);
  });

  test('names who has paused the archive, though nothing was written since', () => {
    const [paused] = checkFindings({ ...well, backups: { ...backups, archivePausedBy: 'ann' } });
    expect(paused).toMatchObject({ severity: 'warning', code: 'archive-paused', hint: '`rstow archive orders --resume`.' });
    expect(paused?.sentence).toContain('ann has paused');
  });

  test('prints the command for the search attributes that Temporal has refused', () => {
    const [refused] = checkFindings({ ...well, refusedAttributes: ['A', 'B'] });
    expect(refused).toMatchObject({
      severity: 'warning',
      sentence: 'Temporal has refused the search attributes A, B: runs can’t be searched by them',
      hint: '`temporal operator search-attribute create --name NAME --type Keyword` for each of them, then restart the agents.',
    });
  });

  test('says what mends an older change behind a newer one, and also what mends whatever is lost beside it', () => {
    const one = { count: 1, first: ['order-1'] };
    const hintOf = (differing: Partial<NonNullable<typeof RESTART.compared>['instances']>): string | undefined => {
      const compared = { ...RESTART.compared!, instances: { ...RESTART.compared!.instances, ...differing } };
      return checkFindings({ ...well, restart: { ...RESTART, compared } }).find(({ code }) => code === 'restart-loses')?.hint;
    };
    const [older, rebase] = [/let each instance .* change once more/, /`rstow backup orders`.*`rstow rebase orders`/];
    expect(hintOf({ lacking: one })).toMatch(rebase);
    expect(hintOf({ lacking: one })).not.toMatch(older);
    expect(hintOf({ older: one })).toMatch(older);
    expect(hintOf({ older: one })).not.toMatch(rebase);
    expect(hintOf({ older: one, lacking: one })).toMatch(older);
    expect(hintOf({ older: one, lacking: one })).toMatch(rebase);
  });

  test('says damage, a torn end and missing segments beside what a restart loses', () => {
    const restart = { ...RESTART, damage: 'damaged at byte 7', tail: { file: 'f', sizeBytes: 9 }, missing: 'segment 1' };
    expect(bad({ restart })).toEqual([
      ['critical', 'source-damaged'],
      ['critical', 'torn-tail'],
      ['warning', 'log-incomplete'],
    ]);
    const codes = checkFindings({ ...well, restart: { ...RESTART, damage: 'damaged at byte 7' } }).map(({ code }) => code);
    expect(codes).not.toContain('restart-safe');
  });
});

test('a log that has outgrown its state is to be made short', () => {
  const restart = { ...RESTART, sizeBytes: 4 * GB, stateBytes: 0.1 * GB };
  expect(bad({ restart })).toEqual([['warning', 'rebase-due']]);
});

describe('a host', () => {
  test('warns before a start can’t fit into memory, and says so when it can’t', () => {
    expect(badHost({ memory: { neededBytes: 4 * GB, availableBytes: 5 * GB } })).toEqual([]);
    expect(badHost({ memory: { neededBytes: 4.1 * GB, availableBytes: 5 * GB } })).toEqual([['warning', 'memory-short']]);
    expect(badHost({ memory: { neededBytes: 5.1 * GB, availableBytes: 5 * GB } })).toEqual([['critical', 'memory-short']]);
  });

  test('warns of a disk that is full within a week, and within a day', () => {
    const log = { sizeBytes: GB, growthPerDayBytes: GB };
    expect(badHost({ log, disk: { freeBytes: 8 * GB, pinnedBytes: 0 } })).toEqual([]);
    expect(badHost({ log, disk: { freeBytes: 6 * GB, pinnedBytes: 0 } })).toEqual([['warning', 'disk-space-low']]);
    expect(badHost({ log, disk: { freeBytes: 0.9 * GB, pinnedBytes: 0 } })).toEqual([['critical', 'disk-space-low']]);
  });

  test.each([
    ['every_write', []],
    ['every_n:100', []],
    ['every_ms:100', [['warning', 'fsync-never']]],
    ['never', [['warning', 'fsync-never']]],
  ])('with %s: %j', (policy, findings) => {
    expect(badHost({ settings: { ...SURVEYED_HOST.facts.settings, fsync: { policy, source: 'here' } } })).toEqual(findings);
  });

  test('warns of metrics by what they cost, of SIGTERM, and of replicas that are late or gone', () => {
    const settings = { ...SURVEYED_HOST.facts.settings, metrics: { isOn: true, source: 'here' } };
    expect(badHost({ settings, instances: 2_000 })).toEqual([]);
    expect(badHost({ settings, instances: 100_000 })).toEqual([['warning', 'metrics-slow']]);
    expect(badHost({ stop: { unit: 'rstmdb', signal: 2 } })).toEqual([]);
    expect(badHost({ stop: { unit: 'rstmdb', signal: 15 } })).toEqual([['warning', 'stopped-by-sigterm']]);
    const primary = { role: 'primary' as const, mode: 'async' };
    expect(badHost({ replication: { ...primary, connected: 1, replicas: [{ id: 'r', lagEntries: 3 }] } })).toEqual([]);
    expect(badHost({ replication: { ...primary, connected: 1, replicas: [{ id: 'r', lagEntries: 20_000 }] } })).toEqual([
      ['warning', 'replica-late'],
    ]);
    expect(badHost({ replication: { ...primary, connected: 0, replicas: [] } })).toEqual([['warning', 'replica-missing']]);
  });

  test('reckons the log’s growth by its last day, and a first burst by an hour', () => {
    const file = (ageMs: number) => ({ sizeBytes: 24, writtenAtMs: NOW_MS - ageMs });
    expect(growthPerDay([], NOW_MS)).toBe(0);
    expect(growthPerDay([file(2 * DAY_MS)], NOW_MS)).toBe(0);
    expect(growthPerDay([file(2 * DAY_MS), file(DAY_MS / 2), file(0)], NOW_MS)).toBe(24);
    expect(growthPerDay([file(1000), file(0)], NOW_MS)).toBe(48 * 24);
  });
});

test('a hole is declared where the newest backup shows it by itself', () => {
  const ids = (...segments: number[]): SegmentId[] => segments as SegmentId[];
  expect(holesOf({ known: ids(1, 2, 3), backedUp: ids(1, 2) })).toEqual({ lost: undefined, declared: undefined });
  expect(holesOf({ known: ids(1, 4), backedUp: ids(1, 2, 3) })).toEqual({ lost: 'segments 2 to 3', declared: undefined });
  expect(holesOf({ known: ids(3, 4), backedUp: ids(3, 4) })).toEqual({ lost: undefined, declared: 'segments 1 to 2' });
  expect(holesOf({ known: ids(3, 5), backedUp: ids(3, 4) })).toEqual({ lost: 'segment 4', declared: 'segments 1 to 2' });
  expect(holesOf({ known: ids(2, 3), backedUp: ids(2), baseline: ids(2)[0] })).toEqual({ lost: undefined, declared: undefined });
});
