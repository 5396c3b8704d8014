import { expect, test } from 'vitest';
import { ageText, countedText, durationText, sizeText, timeText, whenText } from '../../../src/cli/figures.ts';

test('writes sizes in decimal units, to one place from kilobytes up', () => {
  expect([0, 999, 1000, 999_960, 1_250_000, 5e15].map(sizeText)).toEqual(['0 B', '999 B', '1.0 kB', '1.0 MB', '1.3 MB', '5000.0 TB']);
});

test('writes durations in the two units that matter', () => {
  expect([5.4, 12_340, 59_980, 250_000, 7_500_000].map(durationText)).toEqual(['5 ms', '12.3 s', '1 min 0 s', '4 min 10 s', '2 h 5 min']);
});

test('writes times in UTC, to the second', () => {
  expect(timeText(Date.UTC(2026, 10, 24, 10, 15, 0, 250))).toBe('2026-11-24 10:15:00Z');
});

test('writes ages in the largest unit that fits, and a time to come as such', () => {
  const nowMs = Date.UTC(2026, 10, 24, 10, 15);
  const ages = [400, 34_000, 12 * 60_000, 47 * 3_600_000, 49 * 3_600_000, -7_200_000].map((ageMs) => ageText(nowMs - ageMs, nowMs));
  expect(ages).toEqual(['now', '34 s ago', '12 min ago', '47 h ago', '2 d ago', 'in 2 h']);
  expect(whenText(nowMs - 7_200_000, nowMs)).toBe('2026-11-24 08:15:00Z (2 h ago)');
});

test('counts one thing in the singular', () => {
  expect([0, 1, 1200].map((count) => countedText(count, 'segment'))).toEqual(['0 segments', '1 segment', '1,200 segments']);
});
