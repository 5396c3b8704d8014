import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lackingRanges, planTidying, wholeUntil } from '../../../../src/core/archive/tidying.ts';
import type { StreamPiece } from '../../../../src/core/repository/stream-piece.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';

const segment = makeSegmentId(1)!;

function pieceOf([startBytes, sizeBytes]: readonly [number, number], index: number): StreamPiece {
  return { segment, startBytes, endBytes: startBytes + sizeBytes, timeline: '0001', key: `piece-${index}`, sinceMs: index, seenMs: index };
}

const ranges = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 20 })), { maxLength: 30 });

it('counts as covered what lies in wal/ or within a larger object, and nothing else', () => {
  fc.assert(
    fc.property(ranges, fc.nat(30), (found, inWalBytes) => {
      const stream = found.map(pieceOf);
      const wal = inWalBytes === 0 ? [] : [pieceOf([0, inWalBytes], -1)];
      const isWithin = (piece: StreamPiece, other: StreamPiece): boolean =>
        other.startBytes <= piece.startBytes &&
        other.endBytes >= piece.endBytes &&
        other.endBytes - other.startBytes > piece.endBytes - piece.startBytes;
      const expected = stream.filter((piece) => piece.endBytes <= inWalBytes || stream.some((other) => isWithin(piece, other)));
      expect(planTidying({ wal, stream, isSealed: false }).covered).toEqual(expected);
    }),
  );
});

it('merges only neighbours, of which the parts are as long as the whole', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 60 }), (sizes) => {
      const starts = sizes.map((_, index) => sizes.slice(0, index).reduce((sum, size) => sum + size, 0));
      const stream = sizes.map((size, index) => pieceOf([starts[index]!, size], index));
      const { merges } = planTidying({ wal: [], stream, isSealed: false });
      for (const group of merges) {
        for (const [index, piece] of group.slice(1).entries()) expect(piece.startBytes).toBe(group[index]!.endBytes);
      }
    }),
  );
});

it('packs a sealed segment as far as it is whole, and no further', () => {
  const stream = [pieceOf([0, 10], 0), pieceOf([10, 5], 1), pieceOf([20, 5], 2)];
  expect(planTidying({ wal: [], stream, isSealed: true }).packUntilBytes).toBe(15);
  expect(planTidying({ wal: [pieceOf([0, 15], 3)], stream, isSealed: true }).packUntilBytes).toBeUndefined();
  expect(wholeUntil(stream)).toBe(15);
  expect(lackingRanges(stream, 30)).toEqual([
    { startBytes: 15, endBytes: 20 },
    { startBytes: 25, endBytes: 30 },
  ]);
});
