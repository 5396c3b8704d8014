import type { Ancestor } from '../backup/history.ts';
import { type PromisedSegment, planSlices, type Slice } from '../backup/segment-plan.ts';
import { FIRST_SEGMENT } from '../wal/continuity.ts';
import type { Extent, SegmentId } from '../wal/wal-offset.ts';
import { type Piece, piecesBySegment } from './piece.ts';

/** A segment of a log: what a backup has of its beginning, and what is stored behind that, in order and without a hole. */
export type ContinuedSegment = { segment: SegmentId; knownBytes: number; slices: Slice[] };

/** `from` is the first byte that is missing; what is stored behind it begins at `to` and goes up to `beyond`, with whatever holes. */
export type ArchiveHole = { from: Extent; to: Extent; beyond: Extent };

export type ContinuedLog = { segments: ContinuedSegment[]; hole?: ArchiveHole | undefined };

export type StoredHistoryLog = {
  /** What a backup has of each segment, and how far the history is known to go there, if that is farther. */
  known: readonly (Extent & { atLeastBytes?: number | undefined })[];
  /** All that is stored of the history, in any order, with whatever overlaps. */
  stored: readonly Piece[];
  /** With which its log begins, if that isn't the server's first. */
  baseline?: SegmentId | undefined;
  /**
   * The newest segment that the archive has stored from. It stores them in their order: what it has of one shows that those before are
   * whole. A backup stores several side by side, so that of newer ones, which it has left behind, nothing is known.
   */
  newestArchived: SegmentId;
};

/** What belongs to a history of the log of a backup that was made of it, or of one that it was begun from. */
export function ownPart<Segment extends PromisedSegment>(
  segments: readonly Segment[],
  { behind = 0 as SegmentId, untilBytes }: Ancestor,
): {
  segments: Segment[];
  known: StoredHistoryLog['known'];
} {
  const own = segments.filter(({ segment }) => segment > behind && (untilBytes === undefined || untilBytes.has(segment)));
  const limitOf = (segment: SegmentId): number => untilBytes?.get(segment) ?? Number.POSITIVE_INFINITY;
  const cut = own.map((each) => ({ ...each, ranges: each.ranges.filter(({ endBytes }) => endBytes <= limitOf(each.segment)) }));
  const known = cut.map(({ segment, ranges }, index) => {
    const atLeastBytes = Math.min(limitOf(segment), own[index]?.ranges.at(-1)?.endBytes ?? 0);
    return { segment, endBytes: ranges.at(-1)?.endBytes ?? 0, atLeastBytes };
  });
  return { segments: cut, known };
}

/**
 * The log of a backup, and what chains on behind it, segment by segment, an older one that has grown included. It ends at the first hole:
 * without what is missing no server could show what stands behind.
 */
export function continueLog({ known, stored, baseline, newestArchived }: StoredHistoryLog): ContinuedLog {
  const newestKnown = known.reduce((newest, { segment }) => Math.max(newest, segment), 0);
  const pieces = piecesBySegment(stored.filter(({ segment }) => segment <= Math.max(newestArchived, newestKnown)));
  const ends = new Map(known.map((extent) => [extent.segment, extent]));
  const log: ContinuedLog = { segments: [], hole: undefined };
  let next: number = baseline ?? FIRST_SEGMENT;
  let isWhole = true;
  for (const segment of [...new Set([...ends.keys(), ...pieces.keys()])].sort((one, other) => one - other)) {
    const own = ends.get(segment);
    if (isWhole && segment !== next) {
      isWhole = false;
      // What a backup lacks itself, it says itself.
      if (own === undefined) log.hole = holeAt({ segment: next as SegmentId, endBytes: 0 }, pieces);
    }
    if (!isWhole && own === undefined) continue;
    next = segment + 1;
    const knownBytes = own?.endBytes ?? 0;
    const behind = { fromBytes: knownBytes, atLeastBytes: own?.atLeastBytes ?? 0 };
    const { slices, holeAtBytes } = isWhole ? slicesBehind(pieces.get(segment) ?? [], behind) : NOTHING;
    if (holeAtBytes !== undefined) {
      isWhole = false;
      log.hole = holeAt({ segment, endBytes: holeAtBytes }, pieces);
      // Newer segments are the backup's: what came later than they did, and isn't whole, would be none of its time.
      if (segment < newestKnown) slices.length = 0;
    }
    const isEmpty = pieces.get(segment)?.some(({ endBytes }) => endBytes === 0) === true;
    if (own !== undefined || slices.length > 0 || isEmpty) log.segments.push({ segment, knownBytes, slices });
  }
  return log;
}

const NOTHING: { slices: Slice[]; holeAtBytes?: number } = { slices: [] };

type Behind = { fromBytes: number; atLeastBytes: number };

/** All that is stored of a segment behind a byte, up to the first hole. */
function slicesBehind(pieces: readonly Piece[], { fromBytes, atLeastBytes }: Behind): { slices: Slice[]; holeAtBytes?: number } {
  const endBytes = pieces.reduce((end, piece) => Math.max(end, piece.endBytes), Math.max(fromBytes, atLeastBytes));
  const plan = planSlices(pieces, fromBytes, endBytes);
  if (plan.kind === 'complete') return { slices: plan.slices };
  const before = planSlices(pieces, fromBytes, plan.startBytes);
  return { slices: before.kind === 'complete' ? before.slices : [], holeAtBytes: plan.startBytes };
}

/** None if nothing is stored behind it: then the log ends there. */
function holeAt(from: Extent, pieces: ReadonlyMap<SegmentId, readonly Piece[]>): ArchiveHole | undefined {
  const behind = [...pieces.values()].flat().filter(({ segment, startBytes, endBytes }) => {
    return endBytes > 0 && (segment > from.segment || (segment === from.segment && startBytes > from.endBytes));
  });
  const [first] = behind.toSorted((one, other) => one.segment - other.segment || one.startBytes - other.startBytes);
  const last = behind.toSorted((one, other) => one.segment - other.segment || one.endBytes - other.endBytes).at(-1);
  if (first === undefined || last === undefined) return undefined;
  const { segment, endBytes } = last;
  return { from, to: { segment: first.segment, endBytes: first.startBytes }, beyond: { segment, endBytes } };
}

/** How far each segment of it goes. */
export function continuedExtents({ segments }: Pick<ContinuedLog, 'segments'>): Extent[] {
  return segments.map(({ segment, knownBytes, slices }) => ({
    segment,
    endBytes: slices.reduce((end, { takeBytes }) => end + takeBytes, knownBytes),
  }));
}
