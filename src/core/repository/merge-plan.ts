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

/**
 * Where the part of a list begins that becomes one, if the list is to have at most so many members; its length if it has. The newest
 * stand last. It is the shortest end whose first member is no larger than all that follow it, and whatever stands before it and is no
 * larger than that: so everything is rewritten only into something of twice its size. If there is no such end, each member is larger than all
 * that follow: the last two are small then, and go together.
 */
export function mergedFrom(sizes: readonly number[], countMax: number): number {
  if (sizes.length <= countMax) return sizes.length;
  const behind = sizes.map(() => 0);
  for (let index = sizes.length - 2; index >= 0; index -= 1) behind[index] = (behind[index + 1] ?? 0) + (sizes[index + 1] ?? 0);
  const isNoLarger = (index: number): boolean => (sizes[index] ?? 0) <= (behind[index] ?? 0);
  let first = sizes.findLastIndex((_, index) => isNoLarger(index));
  if (first < 0) first = sizes.length - 2;
  while (first > 0 && isNoLarger(first - 1)) first -= 1;
  return first;
}
