import { expect, test } from 'vitest';
import { missedRunFindings, type ScheduledRun, type ScheduledRuns, unscheduledFindings } from '../../../../src/core/alerts/missed-runs.ts';
import { rhythmOf } from '../../../../src/core/schedule/rhythm.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOON_MS = Date.parse('2026-11-30T12:00:00Z');

const ranAt = (dueAtMs: number, more: Partial<ScheduledRun> = {}): ScheduledRun => {
  return { workflowId: 'w', dueAtMs, startedAtMs: dueAtMs + 500, end: { kind: 'done', atMs: dueAtMs + MINUTE_MS }, ...more };
};

const hot: ScheduledRuns = {
  id: 'rstow-orders-hotBackup',
  type: 'hotBackup',
  rhythm: rhythmOf({ cron: '0 */6 * * *' }),
  jitterMs: 0,
  isPaused: false,
  changedAtMs: NOON_MS - 100 * HOUR_MS,
  last: ranAt(NOON_MS),
};

/** What is said of it then; of an outage, `askedAtMs` is when Temporal has answered last. */
function said(schedule: Partial<ScheduledRuns>, nowMs: number, askedAtMs = nowMs): string | undefined {
  const found = missedRunFindings([{ ...hot, ...schedule }], { database: 'orders', nowMs, askedAtMs, saidMs: 2 * MINUTE_MS });
  expect(found.map(({ code, subject, severity }) => [code, subject, severity])).toEqual(
    found.map(() => ['missed-run', 'hotBackup', 'warning']),
  );
  return found[0]?.sentence;
}

test('says nothing of runs that begin in time, be they at work, done or failed', () => {
  expect(said({}, NOON_MS + HOUR_MS)).toBeUndefined();
  expect(said({ last: ranAt(NOON_MS, { end: { kind: 'open' } }) }, NOON_MS + 5 * HOUR_MS)).toBeUndefined();
  expect(said({ last: ranAt(NOON_MS, { end: { kind: 'failed', atMs: NOON_MS + HOUR_MS } }) }, NOON_MS + 5 * HOUR_MS)).toBeUndefined();
  expect(said({}, NOON_MS + 6 * HOUR_MS + 2 * MINUTE_MS - 1)).toBeUndefined();
});

test('says that Temporal has not answered since a run was due, from two minutes on, whatever was at work before', () => {
  const askedAtMs = NOON_MS + HOUR_MS;
  const nowMs = NOON_MS + 6 * HOUR_MS + 2 * MINUTE_MS;
  const sentence =
    'hotBackup was due at 2026-11-30 18:00:00Z, and no run of it is known: Temporal has not answered since 2026-11-30 13:00:00Z';
  expect(said({}, nowMs, askedAtMs)).toBe(sentence);
  expect(said({}, nowMs + 12 * HOUR_MS, askedAtMs)).toBe(sentence);
  expect(said({ last: ranAt(NOON_MS, { end: { kind: 'open' } }) }, nowMs, askedAtMs)).toBe(sentence);
  expect(said({ jitterMs: 10 * MINUTE_MS }, nowMs, askedAtMs)).toBeUndefined();
});

test('says that a run began late until it has ended well, and a little longer, so that a look sees it', () => {
  const startedAtMs = NOON_MS + 3 * HOUR_MS;
  const late = (end: ScheduledRun['end']) => ({ last: ranAt(NOON_MS, { startedAtMs, end }) });
  const sentence = 'hotBackup of 2026-11-30 12:00:00Z began 3 h 0 min late';
  expect(said(late({ kind: 'open' }), startedAtMs + HOUR_MS)).toBe(sentence);
  expect(said(late({ kind: 'failed', atMs: startedAtMs + MINUTE_MS }), startedAtMs + HOUR_MS)).toBe(sentence);
  expect(said(late({ kind: 'done', atMs: startedAtMs + MINUTE_MS }), startedAtMs + 3 * MINUTE_MS)).toBe(sentence);
  expect(said(late({ kind: 'done', atMs: startedAtMs + MINUTE_MS }), startedAtMs + 3 * MINUTE_MS + 1)).toBeUndefined();
});

test('says that a run is missed for good, until the next one, or one by hand', () => {
  const weekly = { type: 'hotBackup', rhythm: rhythmOf({ cron: '0 3 * * 0' }), last: ranAt(Date.parse('2026-11-22T03:00:00Z')) };
  expect(said({ ...weekly, changedAtMs: 0 }, NOON_MS)).toBe('hotBackup was due at 2026-11-29 03:00:00Z, and no run of it is known');
  expect(said({ ...weekly, changedAtMs: 0, last: ranAt(NOON_MS - HOUR_MS) }, NOON_MS)).toBeUndefined();
});

test('a run that was at work makes good one that was due meanwhile, but not several', () => {
  const hourly = { rhythm: rhythmOf({ cron: '0 * * * *' }) };
  const until = (atMs: number) => said({ ...hourly, last: ranAt(NOON_MS, { end: { kind: 'done', atMs } }) }, atMs + MINUTE_MS);
  expect(until(NOON_MS + 90 * MINUTE_MS)).toBeUndefined();
  expect(until(NOON_MS + 190 * MINUTE_MS)).toBe('hotBackup that began at 2026-11-30 12:00:00Z has gone on while 3 more were due');
});

test('expects nothing of a schedule that is new, changed, paused, or of times that nobody knows', () => {
  const nowMs = NOON_MS + 7 * HOUR_MS;
  expect(said({ last: undefined, changedAtMs: NOON_MS + 6 * HOUR_MS }, nowMs)).toBeUndefined();
  expect(said({ last: undefined, changedAtMs: NOON_MS }, nowMs)).toBe(
    'hotBackup was due at 2026-11-30 18:00:00Z, and no run of it is known',
  );
  expect(said({ changedAtMs: NOON_MS + 6 * HOUR_MS }, nowMs)).toBeUndefined();
  expect(said({ isPaused: true }, nowMs)).toBeUndefined();
  expect(said({ rhythm: undefined }, nowMs)).toBeUndefined();
});

test('of short intervals a run is late after a whole one', () => {
  const often = { rhythm: { everyMs: 10_000 }, last: ranAt(NOON_MS, { end: { kind: 'done', atMs: NOON_MS + 1_000 } }) };
  expect(said(often, NOON_MS + 19_999, NOON_MS + 5_000)).toBeUndefined();
  expect(said(often, NOON_MS + 20_000, NOON_MS + 5_000)).toMatch(/^hotBackup was due at 2026-11-30 12:00:10Z/);
});

test('says what the config lists and nothing starts', () => {
  expect(unscheduledFindings('orders', ['hotBackup', 'verifyBackup', 'expireBackups'], [{ type: 'verifyBackup' }])).toEqual([
    {
      severity: 'warning',
      code: 'no-schedule',
      subject: 'expireBackups',
      sentence: 'the config lists expireBackups, and no schedule starts it',
      hint: '`rstow schedule apply orders` makes it.',
    },
  ]);
});
