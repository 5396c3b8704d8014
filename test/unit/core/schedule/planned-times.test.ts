import { expect, test } from 'vitest';
import { parseCron } from '../../../../src/core/schedule/cron.ts';
import { cronTimes, intervalTimes, isTimeZone } from '../../../../src/core/schedule/planned-times.ts';

const DAY_MS = 86_400_000;

function timesOf(text: string, timeZone: string, [from, days]: [from: string, days: number]): string[] {
  const parsed = parseCron(text);
  if ('fault' in parsed) throw new Error(parsed.fault);
  const afterMs = Date.parse(from);
  return cronTimes(parsed.cron, timeZone, { afterMs, untilMs: afterMs + days * DAY_MS }).map((timeMs) => new Date(timeMs).toISOString());
}

test('plans the seed’s backups of 30 days: 120 hot ones and 4 cold ones', () => {
  expect(timesOf('0 */6 * * *', 'UTC', ['2026-11-01T00:00:00Z', 30])).toHaveLength(120);
  expect(timesOf('0 3 * * 0', 'UTC', ['2026-11-02T00:00:00Z', 30])).toEqual(
    ['08', '15', '22', '29'].map((day) => `2026-11-${day}T03:00:00.000Z`),
  );
});

test('begins after the first instant and ends with the last', () => {
  expect(timesOf('0 0 * * *', 'UTC', ['2026-11-01T00:00:00Z', 1])).toEqual(['2026-11-02T00:00:00.000Z']);
  expect(intervalTimes(DAY_MS, { afterMs: 0, untilMs: DAY_MS })).toBe(1);
  expect(intervalTimes(900_000, { afterMs: 1, untilMs: 30 * DAY_MS })).toBe(2880);
});

test('leaves out a time that clocks skip, and plans one twice that comes twice', () => {
  expect(timesOf('30 2 * * *', 'Europe/Berlin', ['2026-03-28T12:00:00Z', 2])).toEqual(['2026-03-30T00:30:00.000Z']);
  expect(timesOf('30 2 25 10 *', 'Europe/Berlin', ['2026-10-24T12:00:00Z', 2])).toEqual([
    '2026-10-25T00:30:00.000Z',
    '2026-10-25T01:30:00.000Z',
  ]);
});

test('knows a time zone by the name that Temporal takes', () => {
  expect(['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Etc/GMT+3'].filter((name) => !isTimeZone(name))).toEqual([]);
  expect(['Europe/Berln', 'europe/berlin', '+01:00', '', 'Mars'].filter(isTimeZone)).toEqual([]);
});
