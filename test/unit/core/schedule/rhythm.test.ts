import { expect, test } from 'vitest';
import { dueCount, firstDue, longestGapMs, type Rhythm, rhythmOf, twoGapsMs } from '../../../../src/core/schedule/rhythm.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function rhythm(cron: string, timeZone = 'UTC'): Rhythm {
  const found = rhythmOf({ cron, timeZone });
  if (found === undefined) throw new Error(cron);
  return found;
}

const at = (time: string): number => Date.parse(time);

test.each([
  ['0 */6 * * *', 6 * HOUR_MS],
  ['*/15 * * * *', 900_000],
  ['0 3 * * 0', 7 * DAY_MS],
  ['0 3 * * 1-5', 3 * DAY_MS],
  ['0 8-18/2 * * *', 14 * HOUR_MS],
  ['0 6 1 * *', 31 * DAY_MS],
  ['30 4 31 * *', 61 * DAY_MS],
  ['0 0 29 2 *', 1461 * DAY_MS],
])('the longest gap of %s is %i ms', (cron, gapMs) => {
  expect(longestGapMs(rhythm(cron))).toBe(gapMs);
});

test('two gaps are those around the latest time: over a weekend they are longer than in the week', () => {
  const weekdays = rhythm('0 3 * * 1-5');
  expect(twoGapsMs(weekdays, at('2026-11-27T03:00:00Z'))).toBe(4 * DAY_MS);
  expect(twoGapsMs(weekdays, at('2026-11-30T02:59:59Z'))).toBe(4 * DAY_MS);
  expect(twoGapsMs(weekdays, at('2026-11-30T03:00:00Z'))).toBe(4 * DAY_MS);
  expect(twoGapsMs(weekdays, at('2026-12-02T03:00:00Z'))).toBe(2 * DAY_MS);
  expect(twoGapsMs(rhythm('0 6 1 * *'), at('2026-11-30T00:00:00Z'))).toBe(61 * DAY_MS);
  expect(twoGapsMs({ everyMs: 900_000 }, at('2026-11-30T00:00:00Z'))).toBe(1_800_000);
});

test('a change of the clocks makes the gaps an hour longer or shorter', () => {
  const nightly = rhythm('0 5 * * *', 'Europe/Berlin');
  expect(twoGapsMs(nightly, at('2026-10-25T12:00:00Z'))).toBe(2 * DAY_MS + HOUR_MS);
  expect(twoGapsMs(nightly, at('2026-03-29T12:00:00Z'))).toBe(2 * DAY_MS - HOUR_MS);
});

test('finds the first run of a span and counts all of them', () => {
  const span = { afterMs: at('2026-11-30T06:00:00Z'), untilMs: at('2026-12-01T06:00:00Z') };
  expect(firstDue(rhythm('0 */6 * * *'), span)).toBe(at('2026-11-30T12:00:00Z'));
  expect(firstDue({ everyMs: 6 * HOUR_MS }, span)).toBe(at('2026-11-30T12:00:00Z'));
  expect(firstDue(rhythm('0 */6 * * *'), { ...span, untilMs: at('2026-11-30T11:59:59Z') })).toBeUndefined();
  expect(firstDue({ everyMs: 6 * HOUR_MS }, { ...span, untilMs: at('2026-11-30T11:59:59Z') })).toBeUndefined();
  expect([dueCount(rhythm('0 */6 * * *'), span), dueCount({ everyMs: 6 * HOUR_MS }, span)]).toEqual([4, 4]);
});

test('days without a run are passed over, whatever clock they are by', () => {
  const span = { afterMs: at('2026-01-01T00:00:00Z'), untilMs: at('2027-01-01T00:00:00Z') };
  for (const timeZone of ['UTC', 'Europe/Berlin', 'Antarctica/Troll', 'Australia/Lord_Howe', 'Asia/Kathmandu', 'America/New_York']) {
    expect(dueCount(rhythm('0 0,12,23 1 * *', timeZone), span), timeZone).toBe(36);
    expect(dueCount(rhythm('0 12 * * 0', timeZone), span), timeZone).toBe(52);
  }
});

test('knows no rhythm of what cron can’t say', () => {
  expect(rhythmOf({ cron: 'a calendar of somebody else’s' })).toBeUndefined();
  expect(rhythmOf({})).toBeUndefined();
});
