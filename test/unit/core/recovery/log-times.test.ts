import fc from 'fast-check';
import { expect, it } from 'vitest';
import { endBy, finestTimes, knownBy, type TimedBytes, timedBytes, timeOf } from '../../../../src/core/recovery/log-times.ts';
import type { Extent, SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const came = ([startBytes, endBytes]: [number, number], [sinceMs, seenMs]: [number, number]): TimedBytes => ({
  startBytes,
  endBytes,
  sinceMs,
  seenMs,
});

it('says of each byte the narrowest window that is known, and of none that isn’t', () => {
  const windows = fc.array(
    fc.record({ startBytes: fc.nat(40), sizeBytes: fc.integer({ min: 1, max: 20 }), sinceMs: fc.nat(100), widthMs: fc.nat(50) }),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(windows, (drawn) => {
      const known = drawn.map(({ startBytes, sizeBytes, sinceMs, widthMs }) =>
        came([startBytes, startBytes + sizeBytes], [sinceMs, sinceMs + widthMs]),
      );
      const finest = finestTimes(known);
      const covering = (all: readonly TimedBytes[], byte: number): TimedBytes[] =>
        all.filter(({ startBytes, endBytes }) => startBytes <= byte && endBytes > byte);
      for (let byte = 0; byte < 62; byte += 1) {
        const [own, ...more] = covering(finest, byte);
        expect(more).toEqual([]);
        const widths = covering(known, byte).map(({ sinceMs, seenMs }) => seenMs - sinceMs);
        expect(timeOf(finest, byte)).toEqual(own && { sinceMs: own.sinceMs, seenMs: own.seenMs });
        expect(own === undefined ? undefined : own.seenMs - own.sinceMs).toBe(widths.length === 0 ? undefined : Math.min(...widths));
      }
      expect(finest).toEqual(finest.toSorted((one, other) => one.startBytes - other.startBytes));
    }),
  );
});

it('knows by a time what was seen by then, and nothing behind what may be younger', () => {
  const finest = finestTimes([
    came([0, 100], [0, 1_000]),
    came([100, 200], [1_000, 2_000]),
    came([250, 300], [2_000, 3_000]),
    came([300, 350], [500, 900]),
  ]);
  expect([999, 1_000, 1_999, 2_000, 3_000].map((timeMs) => knownBy(finest, timeMs))).toEqual([0, 100, 100, 200, 350]);
});

it('gives marks of a range their beginnings, and prefers them to the range’s own window', () => {
  const marks = [
    { endBytes: 40, sinceMs: 1_000, seenMs: 2_000 },
    { endBytes: 60, sinceMs: 5_000, seenMs: 6_000 },
  ];
  const merged = came([20, 60], [1_000, 6_000]);
  expect(finestTimes([merged, ...timedBytes(merged, marks)])).toEqual([came([20, 40], [1_000, 2_000]), came([40, 60], [5_000, 6_000])]);
});

it('ends in the first segment of which more came later, however much of newer ones was there', () => {
  const log: Extent[] = [100, 0, 50, 70].map((endBytes, index) => ({ segment: (index + 1) as SegmentId, endBytes }));
  const known = (...bytes: number[]): Extent | undefined =>
    endBy(log, new Map(bytes.map((each, index) => [(index + 1) as SegmentId, each])));
  expect(known(100, 0, 50, 30)).toEqual({ segment: 4, endBytes: 30 });
  expect(known(100, 0, 40, 70)).toEqual({ segment: 3, endBytes: 40 });
  expect(known(100, 0, 0, 70)).toEqual({ segment: 2, endBytes: 0 });
  expect(known(90, 0, 50, 70)).toEqual({ segment: 1, endBytes: 90 });
  expect(known(0, 0, 50, 70)).toBeUndefined();
  expect(known(100, 0, 50, 900)).toEqual({ segment: 4, endBytes: 70 });
});
