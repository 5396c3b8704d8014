import type { SegmentId } from '../wal/segment-id.ts';
import type { Extent } from '../wal/wal-range.ts';

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

/**
 * The shortest end of the chain whose first piece is no larger than all that follows it, and whatever stands before it and is no larger
 * than that. If there is none, each piece is larger than all that follow: the last two are small then, and go together.
 */
function levelGroup<Piece extends Range>(chain: readonly Piece[]): Piece[] {
  // A full piece is merged no more, nor what stands before it.
  const small = chain.slice(chain.findLastIndex((piece) => sizeBytesOf(piece) >= PIECE_SIZE_BYTES_MAX) + 1);
  if (small.length <= PIECES_BESIDE_MAX) return [];
  const behindBytes = small.map((piece) => (small.at(-1)?.endBytes ?? 0) - piece.endBytes);
  const isNoLarger = (index: number): boolean => sizeBytesOf(small[index] as Piece) <= (behindBytes[index] ?? 0);
  const found = small.findLastIndex((_, index) => isNoLarger(index));
  let first = found < 0 ? small.length - 2 : found;
  while (first > 0 && isNoLarger(first - 1)) first -= 1;
  return small.slice(first);
}

function sizeBytesOf({ startBytes, endBytes }: Range): number {
  return endBytes - startBytes;
}
