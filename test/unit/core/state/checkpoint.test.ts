import { expect, test } from 'vitest';
import { checkpointFits } from '../../../../src/core/state/checkpoint.ts';
import type { Extent, SegmentId } from '../../../../src/core/wal/wal-offset.ts';

test('fits where only its last segment has grown and newer ones have come', () => {
  const checkpoint = extentsOf([1, 100], [2, 50]);
  expect(checkpointFits(checkpoint, extentsOf([1, 100], [2, 50]))).toBe(true);
  expect(checkpointFits(checkpoint, extentsOf([2, 70], [1, 100]))).toBe(true);
  expect(checkpointFits(checkpoint, extentsOf([1, 100], [2, 50], [3, 1], [5, 1]))).toBe(true);
  expect(checkpointFits([], extentsOf([1, 100]))).toBe(true);
});

test('does not fit a log that changed before its end', () => {
  const checkpoint = extentsOf([2, 100], [4, 50]);
  expect(checkpointFits(checkpoint, extentsOf([2, 101], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 99], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100], [4, 49]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([1, 5], [2, 100], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100], [3, 5], [4, 50]))).toBe(false);
});

function extentsOf(...pairs: [segment: number, endBytes: number][]): Extent[] {
  return pairs.map(([segment, endBytes]) => ({ segment: segment as SegmentId, endBytes }));
}
