import { expect, test } from 'vitest';
import { continuityOf, missingText, createSequenceCounter, reachableSegments } from '../../../../src/core/wal/continuity.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const continuityOfIds = (...ids: number[]) => continuityOf(ids as SegmentId[]);

test('calls segments from the first on without a hole restorable from the log', () => {
  expect(continuityOfIds(1)).toEqual({ holes: [], restorable: 'from-log' });
  expect(continuityOfIds(3, 1, 2)).toEqual({ holes: [], restorable: 'from-log' });
});

test('calls nothing, a late start and a hole not restorable', () => {
  expect(continuityOfIds()).toEqual({ holes: [], restorable: 'no' });
  expect(continuityOfIds(2, 3)).toEqual({ holes: [], restorable: 'no' });
  expect(continuityOfIds(1, 2, 5, 6, 8)).toEqual({
    holes: [
      { first: 3, last: 4 },
      { first: 7, last: 7 },
    ],
    restorable: 'no',
  });
});

test('counts jumps and falls of the sequence apart', () => {
  const counter = createSequenceCounter();
  for (const sequence of [5, 6, 9, 8, 7, 10, 10, 20]) counter.observe(sequence);
  expect(counter.counts()).toEqual({ gaps: 2, inversions: 3 });
});

test('counts nothing in a log that begins anywhere and goes on by ones', () => {
  const counter = createSequenceCounter();
  for (const sequence of [17, 18, 19]) counter.observe(sequence);
  expect(counter.counts()).toEqual({ gaps: 0, inversions: 0 });
});

test.each([
  [[1, 2, 3], undefined],
  [[2, 3], 'segment 1'],
  [[4, 5], 'segments 1 to 3'],
  [[1, 2, 4, 5, 9], 'segments 3, 6 to 8'],
  [[2, 4, 6, 8, 10], 'segments 1, 3, 5 and 2 more ranges'],
])('names what %j lack: %s', (segments, missing) => {
  expect(missingText(segments as SegmentId[])).toBe(missing);
});

test('takes a log that begins with a baseline for whole, from there on', () => {
  const of = (baseline: number, ...ids: number[]) => continuityOf(ids as SegmentId[], baseline as SegmentId);
  expect(of(4, 4, 5, 6)).toEqual({ holes: [], restorable: 'from-baseline' });
  expect(of(4, 5, 6)).toEqual({ holes: [], restorable: 'no' });
  expect(of(4, 4, 6)).toEqual({ holes: [{ first: 5, last: 5 }], restorable: 'no' });
  expect(missingText([4, 5] as SegmentId[], 4 as SegmentId)).toBe(undefined);
  expect(missingText([6, 8] as SegmentId[], 4 as SegmentId)).toBe('segments 4 to 5, 7');
  expect(reachableSegments([4, 5, 7] as SegmentId[], 4 as SegmentId)).toEqual([4, 5]);
  expect(reachableSegments([5, 6] as SegmentId[], 4 as SegmentId)).toEqual([]);
});
