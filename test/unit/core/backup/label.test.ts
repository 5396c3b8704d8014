import fc from 'fast-check';
import { expect, it } from 'vitest';
import { summariseExtents } from '../../../../src/core/backup/segment-plan.ts';
import { backupLabel } from '../../../../src/core/backup/label.ts';
import { segmentOf } from '../repository/some-pieces.ts';

const seconds = fc.integer({ min: 0, max: 253_402_300_799 });

it('labels a backup by the second in UTC, its kind, and later attempts by a number', () => {
  const startedAtMs = Date.UTC(2026, 10, 24, 10, 15, 0, 987);
  expect(backupLabel(startedAtMs, 'hot', 1)).toBe('20261124T101500Z-hot');
  expect(backupLabel(startedAtMs, 'hot', 2)).toBe('20261124T101500Z-hot-2');
});

it('makes labels that sort by time', () => {
  fc.assert(
    fc.property(seconds, seconds, (one, other) => {
      const [left, right] = [one, other].map((second) => backupLabel(second * 1000, 'hot', 1)) as [string, string];
      expect(left < right).toBe(one < other);
    }),
  );
});

it('sums up what part of the log there is', () => {
  const extents = [
    { segment: segmentOf(1), endBytes: 100 },
    { segment: segmentOf(0x1f), endBytes: 7 },
  ];
  expect(summariseExtents(extents)).toEqual({
    segments: 2,
    first: '0000000000000001',
    last: '000000000000001f',
    end: String((0x1fn << 40n) + 7n),
    sizeBytes: 107,
  });
});

it('calls a log without a segment a broken promise', () => {
  expect(() => summariseExtents([])).toThrow(/broken promise/);
});
