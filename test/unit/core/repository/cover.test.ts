import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planCover } from '../../../../src/core/repository/piece.ts';
import { pieceOf, somePieces } from './some-pieces.ts';

const END = 40;

it('tiles every segment with pieces and holes that never overlap', () => {
  fc.assert(
    fc.property(somePieces(END), fc.nat({ max: END }), (stored, endBytes) => {
      const { pieces, missing } = planCover(stored, endBytes);
      const parts = [...pieces, ...missing].toSorted((a, b) => a.startBytes - b.startBytes);
      let positionBytes = 0;
      for (const part of parts) {
        expect(part.startBytes).toBe(positionBytes);
        expect(part.endBytes).toBeGreaterThan(part.startBytes);
        positionBytes = part.endBytes;
      }
      expect(positionBytes).toBe(endBytes);
      for (const piece of pieces) expect(stored).toContain(piece);
    }),
  );
});

it('gets nowhere by an empty piece', () => {
  expect(planCover([pieceOf(0, 0)], 0)).toEqual({ pieces: [], missing: [] });
  expect(planCover([pieceOf(0, 0), pieceOf(0, 10)], 10)).toEqual({ pieces: [pieceOf(0, 10)], missing: [] });
  expect(planCover([pieceOf(0, 0)], 10).missing).toEqual([{ startBytes: 0, endBytes: 10 }]);
});

it('misses nothing more once its holes are stored', () => {
  fc.assert(
    fc.property(somePieces(END), fc.nat({ max: END }), (stored, endBytes) => {
      const filled = planCover(stored, endBytes).missing.map((hole) => pieceOf(hole.startBytes, hole.endBytes));
      expect(planCover([...stored, ...filled], endBytes).missing).toEqual([]);
    }),
  );
});

it('leaves out a piece that reaches past the end, for the hash of its beginning is unknown', () => {
  expect(planCover([pieceOf(0, 10), pieceOf(10, 30)], 20)).toEqual({
    pieces: [pieceOf(0, 10)],
    missing: [{ startBytes: 10, endBytes: 20 }],
  });
});

it('prefers the longest piece', () => {
  expect(planCover([pieceOf(0, 10), pieceOf(0, 20), pieceOf(10, 20)], 20).pieces).toEqual([pieceOf(0, 20)]);
});
