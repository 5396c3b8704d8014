import fc from 'fast-check';
import { expect, it } from 'vitest';
import { planSlices } from '../../../../src/core/backup/segment-plan.ts';
import { pieceOf, somePieces } from './some-pieces.ts';

const END = 40;
const bounds = fc
  .tuple(fc.nat({ max: END }), fc.nat({ max: END }))
  .map(([one, other]) => ({ startBytes: Math.min(one, other), endBytes: Math.max(one, other) }));

it('tiles what was asked for, and never reads outside of a piece', () => {
  fc.assert(
    fc.property(somePieces(END), bounds, (stored, { startBytes, endBytes }) => {
      const plan = planSlices(stored, startBytes, endBytes);
      if (plan.kind === 'missing') return;
      let positionBytes = startBytes;
      for (const { piece, skipBytes, takeBytes } of plan.slices) {
        expect(piece.startBytes + skipBytes).toBe(positionBytes);
        expect(takeBytes).toBeGreaterThan(0);
        positionBytes += takeBytes;
        expect(positionBytes).toBeLessThanOrEqual(piece.endBytes);
      }
      expect(positionBytes).toBe(endBytes);
    }),
  );
});

it('is complete exactly where every byte lies in some piece, else names the first that lies in none', () => {
  fc.assert(
    fc.property(somePieces(END), bounds, (stored, { startBytes, endBytes }) => {
      const bytes = Array.from({ length: endBytes - startBytes }, (_, index) => startBytes + index);
      const uncovered = bytes.find((at) => !stored.some((piece) => piece.startBytes <= at && at < piece.endBytes));
      const plan = planSlices(stored, startBytes, endBytes);
      if (uncovered === undefined) expect(plan.kind).toBe('complete');
      else expect(plan).toEqual({ kind: 'missing', startBytes: uncovered });
    }),
  );
});

it('opens a merged piece once, and skips to where the range begins', () => {
  const merged = pieceOf(0, 30);
  expect(planSlices([pieceOf(10, 20), merged], 10, 25)).toEqual({
    kind: 'complete',
    slices: [{ piece: merged, skipBytes: 10, takeBytes: 15 }],
  });
});
