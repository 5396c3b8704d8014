import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parsePieceKey, pieceKey, piecesBySegment, sidecarKey } from '../../../../src/core/repository/piece.ts';
import { SEGMENT_ID_MAX } from '../../../../src/core/wal/wal-offset.ts';
import { isObjectKey } from '../../../../src/io/repository/object-key.ts';
import { pieceOf, segmentOf } from './some-pieces.ts';

const position = fc.nat({ max: 2 ** 40 - 1 });
const ranges = fc
  .tuple(fc.integer({ min: 1, max: SEGMENT_ID_MAX }), position, position)
  .filter(([, one, other]) => one !== other)
  .map(([id, one, other]) => ({ segment: segmentOf(id), startBytes: Math.min(one, other), endBytes: Math.max(one, other) }));
const timelines = fc.integer({ min: 1, max: 999_999_999 }).map((number) => String(number).padStart(4, '0'));

it('reads back from a key the piece that it was made of', () => {
  fc.assert(
    fc.property(timelines, ranges, (timeline, range) => {
      const key = pieceKey('orders', timeline, range);
      expect(isObjectKey(key)).toBe(true);
      expect(parsePieceKey(key)).toEqual({ ...range, timeline, key });
    }),
  );
});

it('names pieces so that they sort by segment, start and end', () => {
  fc.assert(
    fc.property(fc.array(ranges, { maxLength: 20 }), (some) => {
      const byNumber = some.toSorted((a, b) => a.segment - b.segment || a.startBytes - b.startBytes || a.endBytes - b.endBytes);
      expect(some.map((range) => pieceKey('orders', '0001', range)).toSorted()).toEqual(
        byNumber.map((range) => pieceKey('orders', '0001', range)),
      );
    }),
  );
});

it('keeps a sidecar beside its piece, and never takes it for one', () => {
  const piece = pieceOf(16, 255);
  expect(piece.key).toBe('databases/orders/wal/0001/0000000000000001/0000000010-00000000ff.wal.zst');
  expect(sidecarKey('orders', piece)).toBe('databases/orders/wal/0001/0000000000000001/0000000010-00000000ff.json');
  expect(parsePieceKey(sidecarKey('orders', piece))).toBeUndefined();
});

it.each([
  'databases/orders/wal/0001/0000000000000001/0000000010-0000000010.wal.zst',
  'databases/orders/wal/0001/0000000000000001/00000000ff-0000000010.wal.zst',
  'databases/orders/wal/0001/0000000001000000/0000000000-0000000010.wal.zst',
  'databases/orders/wal/1/0000000000000001/0000000000-0000000010.wal.zst',
  'databases/orders/wal/0001/0000000000000001/0000000000-0000000010.wal',
  'databases/orders/stream/0001/0000000000000001/0000000000-0000000010.wal.zst.tmp',
])('takes %s for no piece', (key) => {
  expect(parsePieceKey(key)).toBeUndefined();
});

it('groups pieces by segment and loses none', () => {
  const pieces = [pieceOf(0, 1), pieceOf(0, 1, { segment: segmentOf(2) }), pieceOf(1, 2)];
  expect([...piecesBySegment(pieces)]).toEqual([
    [1, [pieces[0], pieces[2]]],
    [2, [pieces[1]]],
  ]);
});
