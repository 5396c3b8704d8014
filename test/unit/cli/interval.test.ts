import { expect, test } from 'vitest';
import { parseInterval } from '../../../src/cli/up/interval.ts';

test('an interval is a number with a unit, or never', () => {
  expect(['10s', '15m', '2h', '1d', 'never'].map(parseInterval)).toEqual([10_000, 900_000, 7_200_000, 86_400_000, undefined]);
});

test.each(['', '15', '9s', '0m', '-1h', '1w', '400d', '1.5h', 'Never'])('"%s" is no interval', (text) => {
  expect(() => parseInterval(text)).toThrow('15m, 1h or 1d');
});
