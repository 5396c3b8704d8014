import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Piece, planCover } from '../../../../src/core/repository/piece.ts';
import { PIECE_SIZE_BYTES_MAX, PIECES_BESIDE_MAX, planMerges, sealedSegments } from '../../../../src/core/repository/merge-plan.ts';
import { planSlices } from '../../../../src/core/backup/segment-plan.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { pieceOf, segmentOf } from './some-pieces.ts';

const MIB = 1024 * 1024;
const SEGMENT_SIZE_BYTES = 64 * MIB;

type Range = { segment: SegmentId; startBytes: number; endBytes: number };

/** A repository as backups leave it: pieces by segment, none ever deleted, and how many bytes merging has written again. */
function createHistory() {
  const stored = new Map<SegmentId, Piece[]>();
  const ends = new Map<SegmentId, number>();
  const promised: Range[][] = [];
  let rewrittenBytes = 0;
  const extents = (): { segment: SegmentId; endBytes: number }[] => [...ends].map(([segment, endBytes]) => ({ segment, endBytes }));
  return {
    stored,
    promised,
    rewrittenBytes: () => rewrittenBytes,
    backUp(grown: ReadonlyMap<SegmentId, number>) {
      const before = extents();
      for (const [segment, endBytes] of grown) {
        const startBytes = ends.get(segment) ?? 0;
        if (endBytes > startBytes) stored.set(segment, [...(stored.get(segment) ?? []), pieceOf(startBytes, endBytes, { segment })]);
        ends.set(segment, endBytes);
      }
      const sealed = sealedSegments(before, extents());
      for (const { segment, endBytes } of extents()) {
        const pieces = stored.get(segment) ?? [];
        for (const group of planMerges(planCover(pieces, endBytes).pieces, sealed.has(segment))) {
          const merged = pieceOf(group[0]!.startBytes, group.at(-1)!.endBytes, { segment });
          rewrittenBytes += merged.endBytes - merged.startBytes;
          pieces.push(merged);
        }
      }
      const named = extents().flatMap(({ segment, endBytes }) => planCover(stored.get(segment) ?? [], endBytes).pieces);
      promised.push(named.map(({ segment, startBytes, endBytes }) => ({ segment, startBytes, endBytes })));
      return { sealed, named };
    },
  };
}

/** Each backup finds so many bytes more; a segment that is full is followed by the next. */
const growths = fc.array(fc.oneof(fc.integer({ min: 100, max: 3000 }), fc.integer({ min: 1, max: 8 * MIB })), {
  minLength: 20,
  maxLength: 300,
});

function grow(
  history: ReturnType<typeof createHistory>,
  bytes: readonly number[],
): ReturnType<ReturnType<typeof createHistory>['backUp']>[] {
  let segment = 1;
  let endBytes = 0;
  return bytes.map((more) => {
    const grown = new Map<SegmentId, number>();
    endBytes += more;
    if (endBytes > SEGMENT_SIZE_BYTES) {
      grown.set(segmentOf(segment), endBytes - more);
      segment += 1;
      endBytes = more;
    }
    return history.backUp(grown.set(segmentOf(segment), endBytes));
  });
}

describe('any sequence of backups', () => {
  it('names one piece for each sealed segment, and at most sixteen for the newest', () => {
    fc.assert(
      fc.property(growths, (bytes) => {
        for (const { sealed, named } of grow(createHistory(), bytes)) {
          const counts = Map.groupBy(named, ({ segment }) => segment);
          for (const segment of sealed) expect(counts.get(segment)).toHaveLength(1);
          for (const pieces of counts.values()) expect(pieces.length).toBeLessThanOrEqual(PIECES_BESIDE_MAX);
          expect(counts.size - sealed.size).toBe(1);
        }
      }),
    );
  });

  it('leaves every older manifest readable', () => {
    fc.assert(
      fc.property(growths, (bytes) => {
        const history = createHistory();
        grow(history, bytes);
        for (const { segment, startBytes, endBytes } of history.promised.flat()) {
          expect(planSlices(history.stored.get(segment) ?? [], startBytes, endBytes).kind).toBe('complete');
        }
      }),
      { numRuns: 20 },
    );
  });

  it('writes each byte again at most as often as its piece can double, and once more when its segment is sealed', () => {
    fc.assert(
      fc.property(growths, (bytes) => {
        const history = createHistory();
        grow(history, bytes);
        const total = bytes.reduce((sum, more) => sum + more, 0);
        const rewrites = Math.log2(total / Math.min(...bytes)) + 2;
        expect(history.rewrittenBytes()).toBeLessThanOrEqual(rewrites * total);
      }),
    );
  });
});

it.each([
  ['equal', 3.5, () => 50_000],
  ['ever smaller', 2.7, (index: number) => Math.ceil(5_000_000 / (index + 1))],
  ['large, and small ones after them', 3, (index: number) => (index < 15 ? 4 * MIB : 500)],
  ['small, and now and then a large one', 3, (index: number) => (index % 200 === 0 ? MIB : 1000)],
])('rewrites little of one segment in 1,300 backups whose growth is %s', (_what, timesMax, growth) => {
  const history = createHistory();
  const bytes = Array.from({ length: 1300 }, (_, index) => growth(index));
  let endBytes = 0;
  for (const more of bytes) history.backUp(new Map([[segmentOf(1), (endBytes += more)]]));
  expect(history.rewrittenBytes() / endBytes).toBeLessThan(timesMax);
});

describe('a segment larger than a piece', () => {
  const pieces = [pieceOf(0, 70 * MIB), pieceOf(70 * MIB, 100 * MIB), pieceOf(100 * MIB, 140 * MIB), pieceOf(140 * MIB, 150 * MIB)];

  it('is merged into pieces of at least the full size, and a rest, when it is sealed', () => {
    expect(planMerges(pieces, true)).toEqual([pieces.slice(1, 3)]);
  });

  it('keeps its full pieces while it grows', () => {
    const full = pieceOf(0, PIECE_SIZE_BYTES_MAX);
    const small = Array.from({ length: 17 }, (_, index) => pieceOf(full.endBytes + index, full.endBytes + index + 1));
    expect(planMerges([full, ...small.slice(1)], false)).toEqual([]);
    expect(planMerges([full, ...small], false)).toEqual([small]);
  });
});

describe('which segments are sealed', () => {
  const extent = (segment: number, endBytes: number) => ({ segment: segmentOf(segment), endBytes });

  it('takes what was the newest as soon as a newer one has records', () => {
    expect(sealedSegments([extent(1, 50)], [extent(1, 64), extent(2, 0)])).toEqual(new Set());
    expect(sealedSegments([extent(1, 50)], [extent(1, 64), extent(2, 5)])).toEqual(new Set([1]));
  });

  it('waits for one that a server goes on with behind a newer one', () => {
    expect(sealedSegments([extent(1, 50), extent(2, 5)], [extent(1, 64), extent(2, 5)])).toEqual(new Set());
    expect(sealedSegments([extent(1, 64), extent(2, 5)], [extent(1, 64), extent(2, 5)])).toEqual(new Set([1]));
  });
});
