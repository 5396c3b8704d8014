import fc from 'fast-check';
import { type Piece, pieceKey } from '../../../../src/core/repository/piece.ts';
import { makeSegmentId, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';

export const SEGMENT = segmentOf(1);

export function segmentOf(number: number): SegmentId {
  return makeSegmentId(number)!;
}

export function pieceOf(startBytes: number, endBytes: number, of: { timeline?: string; segment?: SegmentId } = {}): Piece {
  const { timeline = '0001', segment = SEGMENT } = of;
  const range = { segment, startBytes, endBytes };
  return { ...range, timeline, key: pieceKey('orders', timeline, { ...range, suffix: '.zst' }) };
}

/** Pieces of one segment that overlap, touch or leave holes, as merging and retries may leave them. */
export const somePieces = (endBytesMax: number): fc.Arbitrary<Piece[]> =>
  fc.array(
    fc
      .tuple(fc.nat({ max: endBytesMax - 1 }), fc.integer({ min: 1, max: endBytesMax }))
      .map(([start, size]) => pieceOf(start, start + size)),
    { maxLength: 12 },
  );
