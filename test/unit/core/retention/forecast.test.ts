import { expect, it } from 'vitest';
import { forecastBackups, type PlannedRun } from '../../../../src/core/retention/forecast.ts';

const DAY_MS = 86_400_000;

/** A hot backup at noon each day from day 0 on, and expiry at midnight. */
function daily(days: number): PlannedRun[] {
  return Array.from({ length: days }, (_none, day) => day).flatMap((day): PlannedRun[] => [
    { atMs: (day + 0.5) * DAY_MS, does: { makes: 'hot' } },
    { atMs: (day + 1) * DAY_MS, does: 'expires' },
  ]);
}

const daysOf = (runs: readonly PlannedRun[], rules: Parameters<typeof forecastBackups>[1]): number[] =>
  forecastBackups(runs, rules).map(({ atMs }) => Math.floor(atMs / DAY_MS));

it('keeps what is younger than `keepDays` at the last expiry', () => {
  expect(daysOf(daily(30), { keepDays: 3, keepProven: 1 })).toEqual([29, 28, 27]);
});

it('keeps all that is made behind the last expiry, and all if there is none', () => {
  expect(daysOf(daily(30).slice(0, -1), { keepDays: 3, keepProven: 1 })).toEqual([29, 28, 27, 26]);
  const unexpired = daily(30).filter(({ does }) => does !== 'expires');
  expect(daysOf(unexpired, { keepDays: 3, keepProven: 1 })).toHaveLength(30);
});

it('keeps the newest that a check has proved, however old it is', () => {
  const proved: PlannedRun = { atMs: 10.75 * DAY_MS, does: 'proves' };
  expect(daysOf([...daily(30), proved], { keepDays: 3, keepProven: 1 })).toEqual([29, 28, 27, 10]);
});

it('thins out older ones by the calendar', () => {
  const rules = { keepDays: 1, keepProven: 1, gfs: { daily: 0, weekly: 3, monthly: 0, yearly: 0 } };
  // 1970 began on a Thursday: Sundays are the days 3, 10, 17 and 24.
  expect(daysOf(daily(30), rules)).toEqual([29, 24, 17]);
});
