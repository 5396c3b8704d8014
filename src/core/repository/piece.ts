import { parseSegmentIdText, type SegmentId, segmentIdText, type WalRange } from '../wal/wal-offset.ts';
import { SUFFIX_PATTERN } from './coded-name.ts';
import { databaseKey } from './object-keys.ts';

/**
 * A stored byte range of one segment of one timeline: immutable, shared by all backups that need it. An empty one, `[0, 0)`, says that the
 * segment is part of the log though it may have no record.
 */
export type Piece = WalRange & { timeline: string; key: string };

const PIECE_KEY = new RegExp(`/wal/([0-9]{4,9})/([^/]+/[^/.]+)\\.wal${SUFFIX_PATTERN}$`);
const RANGE_PATH = /^([0-9a-f]{16})\/([0-9a-f]{10})-([0-9a-f]{10})$/;

/** `suffix`: of its stored form. */
export function pieceKey(database: string, timeline: string, of: WalRange & { suffix: string }): string {
  return `${rangeKey(database, timeline, of)}.wal${of.suffix}`;
}

/** Every piece and sidecar. */
export const walPrefix = (database: string): string => databaseKey(database, 'wal/');

/** @see rangeKey */
export const rangeKeyOf = (pieceKey: string): string => pieceKey.slice(0, pieceKey.lastIndexOf('.wal.'));

/** Those of one timeline. */
export const timelinePrefix = (database: string, timeline: string): string => `${walPrefix(database)}${timeline}/`;

export function parsePieceKey(key: string): Piece | undefined {
  const [, timeline, path] = PIECE_KEY.exec(key) ?? [];
  const range = path === undefined ? undefined : parseRangePath(path);
  return range === undefined || timeline === undefined ? undefined : { key, timeline, ...range };
}

/** What the keys of all stored forms of a range have in common. */
export function rangeKey(database: string, timeline: string, range: WalRange): string {
  return `${timelinePrefix(database, timeline)}${rangePath(range)}`;
}

/** A segment and a range of it, as keys have them: `0000000000000002/0000000000-00000043f0`. */
export function rangePath({ segment, startBytes, endBytes }: WalRange): string {
  return `${segmentIdText(segment)}/${hex10(startBytes)}-${hex10(endBytes)}`;
}

/** Undefined if it is none, or an empty one that is not at the beginning. */
export function parseRangePath(path: string): WalRange | undefined {
  const [, segmentText = '', start = '', end = ''] = RANGE_PATH.exec(path) ?? [];
  const segment = parseSegmentIdText(segmentText);
  const startBytes = Number.parseInt(start, 16);
  const endBytes = Number.parseInt(end, 16);
  if (segment === undefined || (endBytes <= startBytes && endBytes + startBytes > 0)) return undefined;
  return { segment, startBytes, endBytes };
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
    .filter((piece) => piece.startBytes === startBytes && piece.endBytes > startBytes)
    .reduce<Piece | undefined>((best, piece) => (best && best.endBytes >= piece.endBytes ? best : piece), undefined);
}

function nextStartAfter(pieces: readonly Piece[], positionBytes: number): number | undefined {
  const starts = pieces.map((piece) => piece.startBytes).filter((start) => start > positionBytes);
  return starts.length === 0 ? undefined : Math.min(...starts);
}
