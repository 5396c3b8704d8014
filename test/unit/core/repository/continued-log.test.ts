import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  type ContinuedLog,
  continuedExtents,
  continueLog as continueWith,
  type StoredHistoryLog,
} from '../../../../src/core/repository/continued-log.ts';
import type { Piece } from '../../../../src/core/repository/piece.ts';
import type { Extent, SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const TIMELINE = '0001';
/** All that is stored is the archive's. */
const continueLog = (log: Omit<StoredHistoryLog, 'newestArchived'>): ContinuedLog =>
  continueWith({ ...log, newestArchived: 99 as SegmentId });
let made = 0;
const piece = (segment: number, startBytes: number, endBytes: number): Piece => ({
  timeline: TIMELINE,
  segment: segment as SegmentId,
  startBytes,
  endBytes,
  key: `piece-${(made += 1)}`,
});
const extent = (segment: number, endBytes: number): Extent => ({ segment: segment as SegmentId, endBytes });

/** Where the records of each segment end. */
const logs = fc.array(
  fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 12 }).map((sizes) => {
    let endBytes = 0;
    return sizes.map((size) => (endBytes += size));
  }),
  { minLength: 1, maxLength: 4 },
);

type Cut = { log: number[][]; known: Extent[]; stored: Piece[]; lost: Piece | undefined };

/** Some backup of the log, and what was stored behind it: a chain of pieces, and others that overlap it, in any order. */
const cuts: fc.Arbitrary<Cut> = fc.tuple(logs, fc.infiniteStream(fc.nat(1_000_000)), fc.boolean()).map(([log, chances, losesOne]) => {
  const chance = (below: number): number => chances.next().value! % below;
  const newest = chance(log.length + 1);
  const known = log
    .slice(0, newest)
    .map((ends, index) => extent(index + 1, [0, ...ends][index + 1 < newest ? ends.length : chance(ends.length + 1)]!));
  const chain: Piece[] = [];
  const others: Piece[] = [];
  for (const [index, ends] of log.entries()) {
    const boundaries = [0, ...ends];
    for (let at = boundaries.indexOf(known[index]?.endBytes ?? 0); at < boundaries.length - 1;) {
      const until = at + 1 + chance(boundaries.length - 1 - at);
      // It may begin in the midst of what is stored already.
      chain.push(piece(index + 1, boundaries[chance(at + 1)]!, boundaries[until]!));
      at = until;
    }
    const from = chance(boundaries.length - 1);
    others.push(piece(index + 1, boundaries[from]!, boundaries[from + 1 + chance(boundaries.length - 1 - from)]!));
  }
  const lost = losesOne ? chain[chance(Math.max(1, chain.length))] : undefined;
  const stored = [...(losesOne ? [] : others), ...chain.filter((each) => each !== lost)];
  return { log, known, stored: stored.sort(() => chance(3) - 1), lost };
});

/** The bytes that a slice gives lie in its piece, and each begins where the one before has ended. */
function expectChained({ segments }: ContinuedLog): void {
  for (const { knownBytes, slices } of segments) {
    let positionBytes = knownBytes;
    for (const { piece: own, skipBytes, takeBytes } of slices) {
      expect(own.startBytes + skipBytes).toBe(positionBytes);
      positionBytes += takeBytes;
      expect(positionBytes).toBeLessThanOrEqual(own.endBytes);
      expect(takeBytes).toBeGreaterThan(0);
    }
  }
}

it('puts any log together from a backup and whatever pieces, in any order, or says the first hole', () => {
  fc.assert(
    fc.property(cuts, ({ log, known, stored, lost }) => {
      const continued = continueLog({ known, stored });
      expectChained(continued);
      const whole = log.map((ends, index) => extent(index + 1, ends.at(-1)!));
      const extents = continuedExtents(continued);
      if (lost === undefined) {
        expect(continued.hole).toBeUndefined();
        expect(extents).toEqual(whole);
      }
      // Never beyond the first byte that nothing covers.
      for (const { segment, endBytes } of extents) {
        const ownBytes = known[segment - 1]?.endBytes ?? 0;
        for (let byte = ownBytes; byte < endBytes; byte += 1) {
          expect(stored.some((one) => one.segment === segment && one.startBytes <= byte && one.endBytes > byte)).toBe(true);
        }
      }
      if (continued.hole !== undefined) {
        const { from } = continued.hole;
        expect(stored.some((one) => one.segment === from.segment && one.startBytes <= from.endBytes && one.endBytes > from.endBytes)).toBe(
          false,
        );
        expect(extents.filter(({ segment }) => segment > from.segment)).toEqual(known.filter(({ segment }) => segment > from.segment));
      }
    }),
    { numRuns: 500 },
  );
});

it('goes on with an older segment that has grown since, and not with half of what it has', () => {
  const known = [extent(1, 100), extent(2, 50)];
  const grown = [piece(1, 100, 120), piece(2, 50, 60)];
  expect(continuedExtents(continueLog({ known, stored: grown }))).toEqual([extent(1, 120), extent(2, 60)]);
  const holed = [piece(1, 100, 120), piece(1, 130, 140), piece(2, 50, 60)];
  expect(continueLog({ known, stored: holed })).toMatchObject({
    segments: [{ slices: [] }, { slices: [] }],
    hole: { from: extent(1, 120), to: extent(1, 130), beyond: extent(2, 60) },
  });
});

it('takes nothing behind a segment of which nothing is stored, nor one whose beginning is missing', () => {
  const known = [extent(1, 100)];
  expect(continueLog({ known, stored: [piece(3, 0, 10)] }).hole).toEqual({ from: extent(2, 0), to: extent(3, 0), beyond: extent(3, 10) });
  expect(continueLog({ known, stored: [piece(2, 5, 10)] })).toEqual({
    segments: [{ segment: 1, knownBytes: 100, slices: [] }],
    hole: { from: extent(2, 0), to: extent(2, 5), beyond: extent(2, 10) },
  });
});

it('fills with older pieces what a backup lacks, and passes its empty segments', () => {
  const lacking = [extent(1, 100), extent(3, 10)];
  expect(continuedExtents(continueLog({ known: lacking, stored: [piece(2, 0, 70), piece(3, 10, 20)] }))).toEqual([
    extent(1, 100),
    extent(2, 70),
    extent(3, 20),
  ]);
  expect(continueLog({ known: lacking, stored: [piece(3, 10, 20)] })).toMatchObject({ segments: [{}, { slices: [] }], hole: undefined });
  const empty = [extent(1, 100), extent(2, 0)];
  expect(continuedExtents(continueLog({ known: empty, stored: [piece(3, 0, 5)] }))).toEqual([...empty, extent(3, 5)]);
});

it('begins with a baseline, if there is one', () => {
  expect(continuedExtents(continueLog({ known: [], stored: [piece(7, 0, 30), piece(8, 0, 5)], baseline: 7 as SegmentId }))).toEqual([
    extent(7, 30),
    extent(8, 5),
  ]);
  expect(continueLog({ known: [], stored: [piece(7, 0, 30)] })).toMatchObject({ segments: [], hole: { from: extent(1, 0) } });
});

it('believes no newer segment that the archive has nothing of: a backup that died may have stored it before an older one', () => {
  const known = [extent(1, 100)];
  const stored = [piece(1, 100, 110), piece(2, 0, 10), piece(4, 0, 10)];
  const newest = (segment: number): ContinuedLog => continueWith({ known, stored, newestArchived: segment as SegmentId });
  expect(newest(1)).toMatchObject({ segments: [{ slices: [{ takeBytes: 10 }] }], hole: undefined });
  expect(continuedExtents(newest(2))).toEqual([extent(1, 110), extent(2, 10)]);
  expect(newest(4).hole).toEqual({ from: extent(3, 0), to: extent(4, 0), beyond: extent(4, 10) });
});

it('goes on behind a fork only if what the history has of the forked segment is there', () => {
  const known = [{ ...extent(1, 40), atLeastBytes: 60 }];
  expect(continueLog({ known, stored: [piece(2, 0, 10)] })).toMatchObject({ segments: [{ slices: [] }], hole: { from: extent(1, 40) } });
  expect(continueLog({ known, stored: [] })).toMatchObject({ segments: [{ slices: [] }], hole: undefined });
  expect(continuedExtents(continueLog({ known, stored: [piece(1, 0, 70), piece(2, 0, 10)] }))).toEqual([extent(1, 70), extent(2, 10)]);
});

it('passes a segment that is known to have no record, and takes what it has got since', () => {
  const known = [extent(1, 100)];
  const empty = piece(2, 0, 0);
  expect(continuedExtents(continueLog({ known, stored: [empty, piece(3, 0, 10)] }))).toEqual([extent(1, 100), extent(2, 0), extent(3, 10)]);
  expect(continuedExtents(continueLog({ known, stored: [empty, piece(2, 0, 5)] }))).toEqual([extent(1, 100), extent(2, 5)]);
});
