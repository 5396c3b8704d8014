import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clockDoubt,
  type ExpiryFacts,
  type JudgedBackup,
  planExpiry,
  type RetentionRules,
} from '../../../../src/core/retention/expiry-plan.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.parse('2026-11-30T03:00:00Z');

const RULES: RetentionRules = { keepDays: 30, keepProven: 2 };

/** Made on that day at 02:00 UTC. */
function backup(day: string, more: Partial<JudgedBackup> = {}): JudgedBackup {
  const atMs = Date.parse(`${day}T02:00:00Z`);
  return { label: day, kind: 'hot', timeline: '0001', atMs, isInUse: true, isGood: true, isProven: false, marks: [], ...more };
}

const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

/** One a day for 400 days, the newest first: from 2025-10-27 to 2026-11-30. */
const daily = (): JudgedBackup[] => Array.from({ length: 400 }, (_, index) => backup(dayOf(NOW_MS - index * DAY_MS)));

function plan(facts: Partial<ExpiryFacts> & Pick<ExpiryFacts, 'backups'>) {
  return planExpiry({ holds: [], unreadableMarks: [], windowTimelines: new Set(), rules: RULES, nowMs: NOW_MS, ...facts });
}

const kept = (facts: Parameters<typeof plan>[0]): string[] => plan(facts).keep.map(({ label }) => label);

/** By hand, with a calendar: November whole; the Sundays before it that are within eight weeks; the last day of each month of twelve. */
const NOVEMBER = Array.from({ length: 30 }, (_, index) => `2026-11-${String(30 - index).padStart(2, '0')}`);
const BY_HAND = [
  ...NOVEMBER,
  '2026-10-31',
  '2026-10-25',
  '2026-10-18',
  '2026-09-30',
  '2026-08-31',
  '2026-07-31',
  '2026-06-30',
  '2026-05-31',
  '2026-04-30',
  '2026-03-31',
  '2026-02-28',
  '2026-01-31',
  '2025-12-31',
];

describe('400 days of one backup a day', () => {
  const gfs = { daily: 7, weekly: 8, monthly: 12, yearly: 2 };

  it('keeps what a calendar says, of all 400 at once', () => {
    const { keep, expire } = plan({ backups: daily(), rules: { ...RULES, gfs } });
    expect(keep.map(({ label }) => label)).toEqual(BY_HAND);
    expect(expire).toHaveLength(400 - BY_HAND.length);
  });

  it('comes to the same if it runs each day', () => {
    let backups: JudgedBackup[] = [];
    for (const each of daily().toReversed()) {
      const there = [each, ...backups];
      const stays = new Set(kept({ backups: there, rules: { ...RULES, gfs }, nowMs: each.atMs + 3_600_000 }));
      backups = there.filter(({ label }) => stays.has(label));
    }
    expect(backups.map(({ label }) => label)).toEqual(BY_HAND);
  });

  it('keeps a month without GFS, and the newest two proven ones beyond it', () => {
    const proven = new Set(['2025-11-03', '2026-02-01', '2026-03-01']);
    const backups = daily().map((each) => ({ ...each, isProven: proven.has(each.label) }));
    expect(kept({ backups })).toEqual([...NOVEMBER, '2026-03-01', '2026-02-01']);
  });
});

it('lets no broken backup take the place of a good one', () => {
  const backups = [backup('2026-10-20', { isGood: false }), backup('2026-10-19'), backup('2026-10-18')];
  expect(plan({ backups, rules: { ...RULES, gfs: { daily: 0, weekly: 0, monthly: 1, yearly: 0 } } })).toMatchObject({
    keep: [
      { label: '2026-10-20', why: ['the newest'] },
      { label: '2026-10-19', why: ['the newest that can be restored', 'the newest of its period, monthly'] },
    ],
    expire: [{ label: '2026-10-18' }],
    newestRestorable: '2026-10-19',
  });
});

it('keeps a backup that is held, until its time is over', () => {
  const backups = [backup('2026-11-30'), backup('2026-01-02'), backup('2026-01-01')];
  const holds = [
    { label: '2026-01-02', reason: 'audit', by: 'ann', untilMs: NOW_MS + 1 },
    { label: '2026-01-01', reason: 'audit', untilMs: NOW_MS },
  ];
  const { keep, expire } = plan({ backups, holds });
  expect(keep[1]).toEqual({ label: '2026-01-02', why: ['held until 2026-11-30 03:00:00Z by ann: audit'] });
  expect(expire).toEqual([{ label: '2026-01-01', why: '333 days old, and no rule keeps it' }]);
});

it('keeps what has a name, and what nobody can read', () => {
  const backups = [
    backup('2026-11-30'),
    backup('2026-01-02', { marks: ['release'] }),
    backup('2026-01-01', { isUnreadable: true, isGood: false }),
  ];
  expect(plan({ backups }).keep.map(({ why }) => why)).toEqual([
    ['the newest', 'the newest that can be restored', 'younger than 30 days'],
    ['its end is called release'],
    ['its manifest can’t be read'],
  ]);
});

it('keeps all while a mark can’t be read, for it may be of any of them', () => {
  const { keep, expire } = plan({ backups: [backup('2026-11-30'), backup('2026-01-01')], unreadableMarks: ['release'] });
  expect(keep[1]).toEqual({ label: '2026-01-01', why: ['the mark release can’t be read, and may be of its end'] });
  expect(expire).toEqual([]);
});

it('keeps the newest good backup of each history that was left within the recovery window', () => {
  const left = { timeline: '0001', isInUse: false };
  const backups = [backup('2026-11-30', { timeline: '0002' }), backup('2026-10-02', left), backup('2026-10-01', left)];
  const rules = { ...RULES, windowDays: 60 };
  expect(kept({ backups, rules, windowTimelines: new Set(['0001', '0002']) })).toEqual(['2026-11-30', '2026-10-02']);
  expect(kept({ backups, rules, windowTimelines: new Set(['0002']) })).toEqual(['2026-11-30']);
});

it('keeps the end of a history that was left half-way, not what is still in use of it', () => {
  const first = { timeline: '0001' };
  const left = { ...first, isInUse: false };
  const backups = [
    backup('2026-11-30', { timeline: '0002' }),
    backup('2026-10-01', first),
    backup('2026-10-03', left),
    backup('2026-10-02', left),
  ];
  const rules = { ...RULES, windowDays: 60 };
  expect(kept({ backups, rules, windowTimelines: new Set(['0001', '0002']) })).toEqual(['2026-11-30', '2026-10-03']);
});

describe('clocks', () => {
  it('doubts a clock that was set back a day', () => {
    const backups = [backup('2026-11-28', { label: 'after' }), backup('2026-11-29', { label: 'before' })];
    expect(clockDoubt(backups, NOW_MS)).toBe('by the clock before came later than after, which holds more of the log');
  });

  it('doubts a present that lies before the newest backup', () => {
    expect(clockDoubt([backup('2026-12-01')], NOW_MS)).toBe(
      'backup 2026-12-01 was made at 2026-12-01T02:00:00.000Z, and now it is 2026-11-30T03:00:00.000Z',
    );
  });

  it('takes a few minutes for no contradiction, nor another order of abandoned histories', () => {
    const newest = backup('2026-11-29');
    const left = backup('2026-11-30', { timeline: '0002', isInUse: false });
    expect(clockDoubt([newest, { ...newest, label: 'older', atMs: newest.atMs + 60_000 }, left], NOW_MS)).toBeUndefined();
  });

  it('counts no backup as older than what it was built upon', () => {
    const backups = [backup('2026-11-30'), backup('2020-01-01', { label: 'clock-reset' }), backup('2026-11-10')];
    expect(kept({ backups })).toEqual(['2026-11-30', 'clock-reset', '2026-11-10']);
  });
});

const day = fc.integer({ min: 0, max: 800 }).map((days) => NOW_MS - days * DAY_MS);
const someBackups = fc
  .array(
    fc.record({
      atMs: day,
      isInUse: fc.boolean(),
      isGood: fc.boolean(),
      isProven: fc.boolean(),
      kind: fc.constantFrom('hot' as const, 'cold' as const),
    }),
    {
      minLength: 1,
      maxLength: 40,
    },
  )
  .map((all) => all.map((one, index) => backup('2026-01-01', { ...one, isProven: one.isGood && one.isProven, label: `b-${index}` })))
  .map((all) => [...all.filter(({ isInUse }) => isInUse), ...all.filter(({ isInUse }) => !isInUse)]);

it('never lets go the newest, the newest good one, a proven one too many, or a held one, whatever the rules', () => {
  fc.assert(
    fc.property(
      someBackups,
      fc.record({ keepDays: fc.integer({ min: 1, max: 90 }), keepProven: fc.integer({ min: 1, max: 5 }) }),
      fc.nat(39),
      (backups, rules, at) => {
        const { keepDays, keepProven } = rules;
        const held = backups[at % backups.length]!.label;
        const { keep, expire } = plan({ backups, rules, holds: [{ label: held, reason: 'asked' }] });
        const stays = new Set(keep.map(({ label }) => label));
        expect(keep.length + expire.length).toBe(backups.length);
        expect(stays).toContain(backups[0]!.label);
        expect(stays).toContain(held);
        const good = backups.find(({ isGood }) => isGood);
        if (good !== undefined) expect(stays).toContain(good.label);
        for (const kind of ['hot', 'cold']) {
          const proven = backups.filter((one) => one.isProven && one.kind === kind);
          for (const { label } of proven.slice(0, keepProven)) expect(stays).toContain(label);
        }
        for (const { label, atMs } of backups) if (atMs > NOW_MS - keepDays * DAY_MS) expect(stays).toContain(label);
      },
    ),
  );
});
