import type { Piece } from './piece.ts';

/** A stored object, and the part of its plain bytes that is wanted. */
export type Slice = { piece: Piece; skipBytes: number; takeBytes: number };

export type SlicePlan = { kind: 'complete'; slices: Slice[] } | { kind: 'missing'; startBytes: number };

/**
 * Any valid way to read bytes `[startBytes, endBytes)` of one timeline's segment from stored pieces,
 * which may overlap or have been merged since the backup was made.
 */
export function planSlices(stored: readonly Piece[], startBytes: number, endBytes: number): SlicePlan {
  const slices: Slice[] = [];
  let positionBytes = startBytes;
  while (positionBytes < endBytes) {
    const piece = reachingFarthest(stored, positionBytes);
    if (piece === undefined) return { kind: 'missing', startBytes: positionBytes };
    const untilBytes = Math.min(piece.endBytes, endBytes);
    slices.push({ piece, skipBytes: positionBytes - piece.startBytes, takeBytes: untilBytes - positionBytes });
    positionBytes = untilBytes;
  }
  return { kind: 'complete', slices };
}

function reachingFarthest(pieces: readonly Piece[], positionBytes: number): Piece | undefined {
  let best: Piece | undefined;
  for (const piece of pieces) {
    const covers = piece.startBytes <= positionBytes && piece.endBytes > positionBytes;
    if (covers && (best === undefined || piece.endBytes > best.endBytes)) best = piece;
  }
  return best;
}
