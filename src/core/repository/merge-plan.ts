import { mergedFrom } from '../levels.ts';
import type { Extent, SegmentId } from '../wal/wal-offset.ts';

/** So many pieces of a segment that still grows stand beside each other at most. */
export const PIECES_BESIDE_MAX = 16;

/** Few, large objects compress twice as well as many small ones; a segment is 64 MiB by default. */
export const PIECE_SIZE_BYTES_MAX = 64 * 1024 * 1024;

type Range = { startBytes: number; endBytes: number };

/**
 * Which neighbours of a segment's chain of pieces become one, in groups of two and more. A sealed segment becomes one piece; one that
 * has more than 64 MiB becomes pieces of at least so many bytes. A growing one is merged by level: not before it has more than 16,
 * and so that each byte is rewritten only into a piece of twice the size.
 */
export function planMerges<Piece extends Range>(chain: readonly Piece[], isSealed: boolean): Piece[][] {
  const groups = isSealed ? wholeGroups(chain) : [levelGroup(chain)];
  return groups.filter((group) => group.length > 1);
}

/**
 * The segments that nobody is expected to write to any more: a newer one has records, and they have not grown since they
 * were stored. What was the newest is taken at its word as soon as a newer one has records. After a rotation race a
 * server may go on in an older segment: it is merged by level until it stands still.
 */
export function sealedSegments(storedBefore: readonly Extent[], now: readonly Extent[]): Set<SegmentId> {
  const newest = newestOf(now);
  const newestBefore = newestOf(storedBefore);
  const ends = new Map(storedBefore.map(({ segment, endBytes }) => [segment, endBytes]));
  const isSealed = ({ segment, endBytes }: Extent): boolean =>
    segment < newest && (segment === newestBefore || !ends.has(segment) || ends.get(segment) === endBytes);
  return new Set(now.filter(isSealed).map(({ segment }) => segment));
}

function newestOf(extents: readonly Extent[]): number {
  return extents.reduce((newest, { segment, endBytes }) => (endBytes > 0 ? Math.max(newest, segment) : newest), 0);
}

function wholeGroups<Piece extends Range>(chain: readonly Piece[]): Piece[][] {
  const groups: Piece[][] = [];
  let sumBytes = PIECE_SIZE_BYTES_MAX;
  for (const piece of chain) {
    if (sumBytes >= PIECE_SIZE_BYTES_MAX) {
      groups.push([]);
      sumBytes = 0;
    }
    groups.at(-1)?.push(piece);
    sumBytes += sizeBytesOf(piece);
  }
  return groups;
}

function levelGroup<Piece extends Range>(chain: readonly Piece[]): Piece[] {
  // A full piece is merged no more, nor what stands before it.
  const small = chain.slice(chain.findLastIndex((piece) => sizeBytesOf(piece) >= PIECE_SIZE_BYTES_MAX) + 1);
  return small.slice(mergedFrom(small.map(sizeBytesOf), PIECES_BESIDE_MAX));
}

function sizeBytesOf({ startBytes, endBytes }: Range): number {
  return endBytes - startBytes;
}
