import type { Piece } from './piece.ts';

/** What is stored of bytes `[0, endBytes)` of one segment, and what is not. */
export type Cover = { pieces: Piece[]; missing: { startBytes: number; endBytes: number }[] };

/**
 * Chains pieces from byte 0, each beginning where the one before ended; the holes are what a backup has to
 * store. A piece that reaches past the end is no part of the chain: the hash of its beginning is unknown.
 */
export function planCover(stored: readonly Piece[], endBytes: number): Cover {
  const usable = stored.filter((piece) => piece.endBytes <= endBytes);
  const cover: Cover = { pieces: [], missing: [] };
  let positionBytes = 0;
  while (positionBytes < endBytes) {
    const next = longestFrom(usable, positionBytes);
    if (next === undefined) {
      const holeEndBytes = nextStartAfter(usable, positionBytes) ?? endBytes;
      cover.missing.push({ startBytes: positionBytes, endBytes: holeEndBytes });
      positionBytes = holeEndBytes;
    } else {
      cover.pieces.push(next);
      positionBytes = next.endBytes;
    }
  }
  return cover;
}

function longestFrom(pieces: readonly Piece[], startBytes: number): Piece | undefined {
  return pieces
    .filter((piece) => piece.startBytes === startBytes)
    .reduce<Piece | undefined>((best, piece) => (best && best.endBytes >= piece.endBytes ? best : piece), undefined);
}

function nextStartAfter(pieces: readonly Piece[], positionBytes: number): number | undefined {
  const starts = pieces.map((piece) => piece.startBytes).filter((start) => start > positionBytes);
  return starts.length === 0 ? undefined : Math.min(...starts);
}
