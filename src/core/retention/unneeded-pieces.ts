import { type Ancestor, belongsTo, lineageOf, type TimelineNode } from '../backup/history.ts';
import type { PromisedSegment } from '../backup/segment-plan.ts';
import { suffixOf } from '../repository/coded-name.ts';
import type { Piece } from '../repository/piece.ts';
import type { SegmentId } from '../wal/wal-offset.ts';

/** By the repository's clock (Unix ms). */
export type AgedPiece = Piece & { modifiedAtMs: number };

/** What somebody may still read: a manifest, or the plan of a run. */
export type Reference = readonly Pick<PromisedSegment, 'segment' | 'ranges'>[];

export type PieceFacts = {
  pieces: readonly AgedPiece[];
  references: readonly Reference[];
  timelines: ReadonlyMap<string, TimelineNode>;
  /** Whose whole log stays, up to where their parents were left: those in use, in the recovery window, and new ones. */
  keptTimelines: ReadonlySet<string>;
  /** Only what was there by then may go, and what was there by then takes the place of others (Unix ms). */
  beforeMs: number;
};

export type UnneededPieces = {
  /** Nothing refers to them. */
  orphans: AgedPiece[];
  /** The larger one holds all their bytes, wherever they count. It must be sound. */
  superseded: { piece: AgedPiece; by: AgedPiece }[];
};

/** Whether anything may still need bytes of this range of a timeline's segment. */
export type IsNeeded = (piece: Pick<Piece, 'timeline' | 'segment' | 'startBytes' | 'endBytes'>) => boolean;

/** What is in doubt counts as needed: whatever overlaps a range that is promised, or the log of a history that stays. */
export function neededBy({
  references,
  timelines,
  keptTimelines,
}: Pick<PieceFacts, 'references' | 'timelines' | 'keptTimelines'>): IsNeeded {
  const promised = promisedRanges(references);
  const named = new Set(references.flatMap((segments) => segments.map(({ segment }) => segment)));
  const ancestors = Map.groupBy(
    [...keptTimelines].flatMap((timeline) => lineageOf(timelines, timeline) ?? [{ timeline }]),
    ({ timeline }) => timeline,
  );
  return (piece) => {
    const isEmpty = piece.endBytes === 0;
    // An empty one is named by no range.
    if (isEmpty && named.has(piece.segment)) return true;
    if ((ancestors.get(piece.timeline) ?? []).some((ancestor) => reachesInto(ancestor, piece))) return true;
    const ranges = promised.get(piece.timeline)?.get(piece.segment) ?? [];
    return ranges.some(({ startBytes, endBytes }) => startBytes < piece.endBytes && piece.startBytes < endBytes);
  };
}

/**
 * Which pieces may go. One that is needed may go only if nothing names its very range any more, and a larger one, which stays, gives its bytes to all
 * that it belongs to.
 */
export function unneededPieces(facts: PieceFacts): UnneededPieces {
  const isNeeded = neededBy(facts);
  const found: UnneededPieces = { orphans: [], superseded: [] };
  const needed = facts.pieces.filter((piece) => isNeeded(piece));
  for (const piece of facts.pieces) {
    if (piece.modifiedAtMs <= facts.beforeMs && !isNeeded(piece)) found.orphans.push(piece);
  }
  const everyLineage = [...facts.timelines.keys()].flatMap((timeline) => lineageOf(facts.timelines, timeline) ?? []);
  const named = new Set(facts.references.flat().flatMap(({ segment, ranges }) => ranges.map((range) => rangeName({ segment, ...range }))));
  for (const [, beside] of Map.groupBy(needed, ({ timeline, segment }) => `${timeline}/${segment}`)) {
    const old = beside.filter(({ modifiedAtMs }) => modifiedAtMs <= facts.beforeMs);
    for (const piece of old.filter((each) => !named.has(rangeName(each)))) {
      const by = largestAround(piece, old, everyLineage);
      if (by !== undefined) found.superseded.push({ piece, by });
    }
  }
  return found;
}

const rangeName = ({ timeline, segment, startBytes, endBytes }: Parameters<IsNeeded>[0]): string =>
  `${timeline}/${segment}/${startBytes}-${endBytes}`;

/** Never one that another one holds in turn, so that what takes a place stays. */
function largestAround(piece: AgedPiece, beside: readonly AgedPiece[], lineages: readonly Ancestor[]): AgedPiece | undefined {
  const around = beside.filter((other) => holds(other, piece, lineages));
  return around.sort((one, other) => sizeOf(other) - sizeOf(one))[0];
}

const sizeOf = ({ startBytes, endBytes }: Piece): number => endBytes - startBytes;

function holds(larger: Piece, piece: Piece, lineages: readonly Ancestor[]): boolean {
  if (piece.endBytes === 0 || sizeOf(larger) <= sizeOf(piece)) return false;
  if (larger.startBytes > piece.startBytes || larger.endBytes < piece.endBytes) return false;
  // Who has keys for the one need not have those for the other.
  if (suffixOf(larger.key) !== suffixOf(piece.key)) return false;
  return lineages.every((ancestor) => !belongsTo(ancestor, piece) || belongsTo(ancestor, larger));
}

function reachesInto(
  { untilBytes, behind = 0 as SegmentId }: Ancestor,
  { segment, startBytes, endBytes }: Parameters<IsNeeded>[0],
): boolean {
  if (segment <= behind) return false;
  const limit = untilBytes === undefined ? Number.POSITIVE_INFINITY : untilBytes.get(segment);
  return limit !== undefined && (startBytes < limit || endBytes === 0);
}

type Range = { startBytes: number; endBytes: number };

function promisedRanges(references: readonly Reference[]): Map<string, Map<SegmentId, Range[]>> {
  const promised = new Map<string, Map<SegmentId, Range[]>>();
  for (const { segment, ranges } of references.flat()) {
    for (const { timeline, startBytes, endBytes } of ranges) {
      const segments = promised.get(timeline) ?? new Map<SegmentId, Range[]>();
      promised.set(timeline, segments);
      const known = segments.get(segment) ?? [];
      segments.set(segment, known);
      // Backups share nearly all of them.
      if (!known.some((range) => range.startBytes <= startBytes && range.endBytes >= endBytes)) known.push({ startBytes, endBytes });
    }
  }
  return promised;
}
