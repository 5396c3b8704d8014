import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parsePieceKey } from '../../../../src/core/repository/piece.ts';
import { parseStreamKey, parseTimesKey, streamKey, timesKey } from '../../../../src/core/repository/stream-piece.ts';
import { MARKS_MAX, joinedMarks, thinned, type TimeMark } from '../../../../src/core/repository/time-marks.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const PIECE = { segment: 2 as SegmentId, startBytes: 24, endBytes: 17_392, sinceMs: 0, seenMs: 1_796_000_000_123 };
const KEY = 'databases/orders/stream/0003/0000000000000002/0000000018-00000043f0.0000000000000-1796000000123.wal.zst';

it('names a piece of the stream by its range and by when it came', () => {
  expect(streamKey('orders', '0003', { ...PIECE, suffix: '.zst' })).toBe(KEY);
  expect(parseStreamKey(KEY)).toEqual({ ...PIECE, timeline: '0003', key: KEY });
  expect(parsePieceKey(KEY)).toBeUndefined();
});

it('names the times of a range alike', () => {
  const key = timesKey('orders', '0003', PIECE);
  expect(parseTimesKey(key)).toEqual({ ...PIECE, timeline: '0003', key });
  expect(parseStreamKey(key)).toBeUndefined();
});

it.each([
  ['an empty range', KEY.replace('00000043f0', '0000000018')],
  ['a time that is none', KEY.replace('1796000000123', '17960000001x3')],
  ['a piece of the log', KEY.replace('/stream/', '/wal/')],
  ['a foreign name', `${KEY}.tmp`],
])('takes %s for no piece of the stream', (_what, key) => {
  expect(parseStreamKey(key)).toBeUndefined();
});

it('keeps the narrower of two windows that end at one byte', () => {
  const merged = { ...PIECE, sinceMs: 1_000, seenMs: 9_000, timeline: '0001', key: 'merged' };
  const kept: TimeMark[] = [
    { endBytes: 100, sinceMs: 1_000, seenMs: 2_000 },
    { endBytes: PIECE.endBytes, sinceMs: 8_000, seenMs: 9_000 },
  ];
  expect(joinedMarks([merged], kept)).toEqual(kept);
});

const marks = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 0, max: 2_000 })), { minLength: 1, maxLength: 300 })
  .map((steps) => {
    let endBytes = 0;
    let seenMs = 1_000_000;
    return steps.map(([bytes, ms]): TimeMark => {
      const sinceMs = seenMs;
      endBytes += bytes;
      seenMs += ms;
      return { endBytes, sinceMs, seenMs };
    });
  });

it('thins marks to a bound, and none says more than what it stands for', () => {
  fc.assert(
    fc.property(marks, fc.integer({ min: 1, max: 50 }), (all, countMax) => {
      const few = thinned(all, countMax);
      expect(few.length).toBeLessThanOrEqual(countMax);
      expect(few.at(-1)?.endBytes).toBe(all.at(-1)?.endBytes);
      for (const mark of all) {
        const standsFor = few.find(({ endBytes }) => endBytes >= mark.endBytes);
        expect(standsFor?.sinceMs).toBeLessThanOrEqual(mark.sinceMs);
        expect(standsFor?.seenMs).toBeGreaterThanOrEqual(mark.seenMs);
      }
    }),
  );
  expect(thinned([{ endBytes: 1, sinceMs: 0, seenMs: 1 }])).toHaveLength(1);
  expect(MARKS_MAX).toBeGreaterThan(1);
});
