import { parseSegmentIdText, type SegmentId, segmentIdText, type WalRange } from '../wal/wal-offset.ts';
import { databaseKey } from './object-keys.ts';

/** A stored byte range of one segment of one timeline: immutable, shared by all backups that need it. */
export type Piece = WalRange & { timeline: string; key: string };

/** The stored form of a piece: compressed, and later perhaps encrypted. */
const PIECE_KEY = /\/wal\/([0-9]{4,9})\/([0-9a-f]{16})\/([0-9a-f]{10})-([0-9a-f]{10})\.wal\.zst$/;

export function pieceKey(database: string, timeline: string, range: WalRange): string {
  return `${rangeKey(database, timeline, range)}.wal.zst`;
}

/** What is known of the piece, beside it. */
export function sidecarKey(database: string, piece: Piece): string {
  return `${rangeKey(database, piece.timeline, piece)}.json`;
}

/** Every piece and sidecar. */
export const walPrefix = (database: string): string => databaseKey(database, 'wal/');

/** Those of one timeline. */
export const timelinePrefix = (database: string, timeline: string): string => `${walPrefix(database)}${timeline}/`;

export function parsePieceKey(key: string): Piece | undefined {
  const match = PIECE_KEY.exec(key);
  if (match === null) return undefined;
  const [, timeline = '', segmentText = '', start = '', end = ''] = match;
  const segment = parseSegmentIdText(segmentText);
  const startBytes = Number.parseInt(start, 16);
  const endBytes = Number.parseInt(end, 16);
  return segment === undefined || endBytes <= startBytes ? undefined : { key, timeline, segment, startBytes, endBytes };
}

function rangeKey(database: string, timeline: string, range: WalRange): string {
  const { segment, startBytes, endBytes } = range;
  return `${timelinePrefix(database, timeline)}${segmentIdText(segment)}/${hex10(startBytes)}-${hex10(endBytes)}`;
}

/** 10 hex digits hold the 40 bits of a position, and sort. */
function hex10(positionBytes: number): string {
  return positionBytes.toString(16).padStart(10, '0');
}

/** Pieces by segment, for the planners. */
export function piecesBySegment(pieces: Iterable<Piece>): Map<SegmentId, Piece[]> {
  const bySegment = new Map<SegmentId, Piece[]>();
  for (const piece of pieces) {
    const own = bySegment.get(piece.segment);
    if (own === undefined) bySegment.set(piece.segment, [piece]);
    else own.push(piece);
  }
  return bySegment;
}

/** What is stored of bytes `[0, endBytes)` of one segment, and what is not. */
type Cover = { pieces: Piece[]; missing: { startBytes: number; endBytes: number }[] };

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
