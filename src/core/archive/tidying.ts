import { mergedFrom, PIECES_BESIDE_MAX } from '../repository/merge-plan.ts';
import type { Piece } from '../repository/piece.ts';
import type { StreamPiece } from '../repository/stream-piece.ts';

/** So much of a segment that wal/ lacks is worth a piece of its own there. */
export const PACK_SIZE_BYTES = 16 * 1024 * 1024;

type Range = { startBytes: number; endBytes: number };

/** The bytes below `endBytes` that none of these pieces has. Pieces may overlap; each begins and ends at a record's boundary. */
export function lackingRanges(pieces: readonly Range[], endBytes: number): Range[] {
  const lacking: Range[] = [];
  let positionBytes = 0;
  for (const piece of pieces.toSorted((one, other) => one.startBytes - other.startBytes)) {
    if (piece.startBytes >= endBytes) break;
    if (piece.startBytes > positionBytes) lacking.push({ startBytes: positionBytes, endBytes: piece.startBytes });
    positionBytes = Math.max(positionBytes, piece.endBytes);
  }
  if (positionBytes < endBytes) lacking.push({ startBytes: positionBytes, endBytes });
  return lacking;
}

/** How far pieces have a segment without a hole from its beginning. */
export function wholeUntil(pieces: readonly Range[]): number {
  return lackingRanges(pieces, Number.POSITIVE_INFINITY)[0]?.startBytes ?? 0;
}

export type SegmentArchive = {
  /** What wal/ has of it, and what stream/ has. */
  wal: readonly Piece[];
  stream: readonly StreamPiece[];
  /** Nobody is expected to write to it any more. */
  isSealed: boolean;
};

/** What is to be done so that a segment's small objects stay few. */
export type Tidying = {
  /** Up to there wal/ is to have it. */
  packUntilBytes: number | undefined;
  /** Neighbours that become one within stream/. */
  merges: StreamPiece[][];
  /** What others cover by now. */
  covered: StreamPiece[];
};

/**
 * A sealed segment goes into wal/, and so does a growing one once wal/ lacks enough of it. Until then the small pieces are merged by
 * level, so that at most 16 stand beside each other and each byte is rewritten only into something of twice the size.
 */
export function planTidying({ wal, stream, isSealed }: SegmentArchive): Tidying {
  const inWalBytes = wholeUntil(wal);
  const wholeBytes = wholeUntil([...wal, ...stream]);
  const isPacked = wholeBytes > inWalBytes && (isSealed || wholeBytes - inWalBytes >= PACK_SIZE_BYTES);
  const within = piecesWithin(stream);
  const covered = stream.filter((piece) => piece.endBytes <= inWalBytes || within.has(piece));
  if (isPacked) return { packUntilBytes: wholeBytes, merges: [], covered };
  const chain = chainBehind(stream, { inWalBytes, wholeBytes });
  const group = chain.slice(
    mergedFrom(
      chain.map(({ startBytes, endBytes }) => endBytes - startBytes),
      PIECES_BESIDE_MAX,
    ),
  );
  return { packUntilBytes: undefined, merges: group.length > 1 ? [group] : [], covered };
}

/** Those that lie within a larger one. There may be thousands: each is looked at once. */
function piecesWithin(pieces: readonly StreamPiece[]): Set<StreamPiece> {
  const largerFirst = pieces.toSorted((one, other) => one.startBytes - other.startBytes || other.endBytes - one.endBytes);
  const within = new Set<StreamPiece>();
  let farthest: StreamPiece | undefined;
  for (const piece of largerFirst) {
    if (farthest === undefined || piece.endBytes > farthest.endBytes) farthest = piece;
    else if (piece.startBytes > farthest.startBytes || piece.endBytes < farthest.endBytes) within.add(piece);
  }
  return within;
}

/** The fewest pieces that lead from what wal/ has to the end. */
function chainBehind(
  stream: readonly StreamPiece[],
  { inWalBytes, wholeBytes }: { inWalBytes: number; wholeBytes: number },
): StreamPiece[] {
  const chain: StreamPiece[] = [];
  let positionBytes = inWalBytes;
  while (positionBytes < wholeBytes) {
    const next = farthestFrom(stream, positionBytes);
    if (next === undefined) break;
    chain.push(next);
    positionBytes = next.endBytes;
  }
  return chain;
}

function farthestFrom(pieces: readonly StreamPiece[], positionBytes: number): StreamPiece | undefined {
  return pieces
    .filter((piece) => piece.startBytes <= positionBytes && piece.endBytes > positionBytes)
    .reduce<StreamPiece | undefined>((best, piece) => (best !== undefined && best.endBytes >= piece.endBytes ? best : piece), undefined);
}
