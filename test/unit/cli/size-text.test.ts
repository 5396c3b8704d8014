import { expect, test } from 'vitest';
import { durationText, sizeText, timeText } from '../../../src/cli/size-text.ts';
import { factLines, tableLines } from '../../../src/cli/table.ts';

test('writes sizes in decimal units, to one place from kilobytes up', () => {
  expect([0, 999, 1000, 1_250_000, 5e15].map(sizeText)).toEqual(['0 B', '999 B', '1.0 kB', '1.3 MB', '5000.0 TB']);
});

test('writes durations in the two units that matter', () => {
  expect([5.4, 12_340, 250_000, 7_500_000].map(durationText)).toEqual(['5 ms', '12.3 s', '4 min 10 s', '2 h 5 min']);
});

test('writes times in UTC, to the second', () => {
  expect(timeText(Date.UTC(2026, 10, 24, 10, 15, 0, 250))).toBe('2026-11-24 10:15:00Z');
});

test('sets figures to the right and names to the left, with no blanks at the end of a line', () => {
  expect(
    tableLines(
      ['LABEL', 'LOG'],
      [
        ['a', '1.0 kB'],
        ['long-label', '12.0 MB'],
      ],
    ),
  ).toEqual(['LABEL       LOG', 'a            1.0 kB', 'long-label  12.0 MB']);
  expect(
    factLines([
      ['to', 'here'],
      ['backup', 'x'],
    ]),
  ).toEqual(['to      here', 'backup  x']);
});
