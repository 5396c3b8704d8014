import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sidecarKey } from '../../../../src/core/repository/coded-name.ts';
import { parsePieceKey, pieceKey, piecesBySegment } from '../../../../src/core/repository/piece.ts';
import { SEGMENT_ID_MAX } from '../../../../src/core/wal/wal-offset.ts';
import { isObjectKey } from '../../../../src/io/repository/object-key.ts';
import { pieceOf, segmentOf } from './some-pieces.ts';

const position = fc.nat({ max: 2 ** 40 - 1 });
const ranges = fc
  .tuple(fc.integer({ min: 1, max: SEGMENT_ID_MAX }), position, position)
  .filter(([, one, other]) => one !== other)
  .map(([id, one, other]) => ({ segment: segmentOf(id), startBytes: Math.min(one, other), endBytes: Math.max(one, other) }));
const suffixes = fc.constantFrom('.zst', '.zst.1f00d5ee.age', '.zst.00000000.gpg');
const timelines = fc.integer({ min: 1, max: 999_999_999 }).map((number) => String(number).padStart(4, '0'));

it('reads back from a key the piece that it was made of', () => {
  fc.assert(
    fc.property(timelines, ranges, suffixes, (timeline, range, suffix) => {
      const key = pieceKey('orders', timeline, { ...range, suffix });
      expect(isObjectKey(key)).toBe(true);
      expect(parsePieceKey(key)).toEqual({ ...range, timeline, key });
    }),
  );
});

it('names pieces so that they sort by segment, start and end', () => {
  fc.assert(
    fc.property(fc.array(ranges, { maxLength: 20 }), (some) => {
      const byNumber = some.toSorted((a, b) => a.segment - b.segment || a.startBytes - b.startBytes || a.endBytes - b.endBytes);
      expect(some.map((range) => pieceKey('orders', '0001', { ...range, suffix: '.zst' })).toSorted()).toEqual(
        byNumber.map((range) => pieceKey('orders', '0001', { ...range, suffix: '.zst' })),
      );
    }),
  );
});

it('keeps a sidecar beside its piece, and never takes it for one', () => {
  const piece = pieceOf(16, 255);
  expect(piece.key).toBe('databases/orders/wal/0001/0000000000000001/0000000010-00000000ff.wal.zst');
  expect(sidecarKey(piece.key)).toBe('databases/orders/wal/0001/0000000000000001/0000000010-00000000ff.wal.zst.json');
  expect(parsePieceKey(sidecarKey(piece.key))).toBeUndefined();
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

it('takes an empty piece at the beginning for a sign that the segment is there', () => {
  const { key } = pieceOf(0, 0);
  expect(key).toBe('databases/orders/wal/0001/0000000000000001/0000000000-0000000000.wal.zst');
  expect(parsePieceKey(key)).toEqual({ ...pieceOf(0, 0), key });
});

it('groups pieces by segment and loses none', () => {
  const pieces = [pieceOf(0, 1), pieceOf(0, 1, { segment: segmentOf(2) }), pieceOf(1, 2)];
  expect([...piecesBySegment(pieces)]).toEqual([
    [1, [pieces[0], pieces[2]]],
    [2, [pieces[1]]],
  ]);
});
