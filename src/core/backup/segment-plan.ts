import { assert, RstowError } from '../errors/rstow-error.ts';
import { type Piece, pieceKey } from '../repository/piece.ts';
import { type Extent, makeWalOffset, type SegmentId, segmentIdText, type WalOffsetText, walOffsetText } from '../wal/wal-offset.ts';

/** A byte range as a manifest promises it. */
export type PromisedRange = { timeline: string; startBytes: number; endBytes: number; sha256: string; records: number };

/** A segment as a manifest promises it: its ranges follow one another from byte 0. */
export type PromisedSegment = { segment: SegmentId; ranges: PromisedRange[] };

/** How to put the segment together again, and what to check on the way. */
export type PlannedSegment = {
  segment: SegmentId;
  endBytes: number;
  /** None, though there are bytes, of a segment that only other repositories have whole. */
  slices: { key: string; skipBytes: number; takeBytes: number }[];
  ranges: PromisedRange[];
};

/** `suffix`: of what is stored there now, to name what is missing. */
type Place = { database: string; suffix: string };

/**
 * Finds stored pieces for every promised range. Fails: missing-object, naming the piece; damaged-object, where the
 * manifest's ranges don't follow one another.
 */
export function planSegment(place: Place, promised: PromisedSegment, stored: readonly Piece[]): PlannedSegment {
  const slices: Slice[] = [];
  for (const run of runsOf(promised)) {
    const own = stored.filter((piece) => piece.timeline === run.timeline);
    const plan = planSlices(own, run.startBytes, run.endBytes);
    if (plan.kind === 'missing') throw missing(place, promised, plan.startBytes);
    slices.push(...plan.slices);
  }
  return {
    segment: promised.segment,
    endBytes: promised.ranges.at(-1)?.endBytes ?? 0,
    slices: slices.map(({ piece, skipBytes, takeBytes }) => ({ key: piece.key, skipBytes, takeBytes })),
    ranges: promised.ranges,
  };
}

/** How far a manifest's segments go. */
export function promisedExtents(segments: readonly PromisedSegment[]): Extent[] {
  return segments.map(({ segment, ranges }) => ({ segment, endBytes: ranges.at(-1)?.endBytes ?? 0 }));
}

/** Neighbouring ranges of one timeline are read as one, so that a merged piece is opened once. */
function runsOf({ ranges }: PromisedSegment): { timeline: string; startBytes: number; endBytes: number }[] {
  const runs: { timeline: string; startBytes: number; endBytes: number }[] = [];
  let positionBytes = 0;
  for (const { timeline, startBytes, endBytes } of ranges) {
    if (startBytes !== positionBytes || endBytes <= startBytes) {
      throw new RstowError('damaged-object', `the manifest's ranges don't follow one another at byte ${positionBytes}`);
    }
    const last = runs.at(-1);
    if (last?.timeline === timeline) last.endBytes = endBytes;
    else runs.push({ timeline, startBytes, endBytes });
    positionBytes = endBytes;
  }
  return runs;
}

function missing({ database, suffix }: Place, { segment, ranges }: PromisedSegment, positionBytes: number): RstowError {
  const range = ranges.find(({ endBytes }) => endBytes > positionBytes);
  const key = range === undefined ? 'a piece' : pieceKey(database, range.timeline, { segment, suffix, ...range });
  return new RstowError('missing-object', `${key} is missing, and no other piece covers byte ${positionBytes}`, {
    details: { key, positionBytes },
  });
}

/** A stored object, and the part of its plain bytes that is wanted. */
export type Slice = { piece: Piece; skipBytes: number; takeBytes: number };

type SlicePlan = { kind: 'complete'; slices: Slice[] } | { kind: 'missing'; startBytes: number };

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

/** What part of the log a backup holds, short enough for any payload. */
export type ExtentsSummary = {
  /** How many segments. */
  segments: number;
  /** File name stems (16 hex digits) of the first and the last segment. */
  first: string;
  last: string;
  /** The log's end: the first offset that is not in the backup. */
  end: WalOffsetText;
  /** Plain bytes of all segments together. */
  sizeBytes: number;
};

/** `extents` are sorted and not empty: a server makes its first segment before it answers. */
export function summariseExtents(extents: readonly Extent[]): ExtentsSummary {
  const first = extents[0];
  const last = extents.at(-1);
  assert(first !== undefined && last !== undefined, 'a log has at least one segment');
  return {
    segments: extents.length,
    first: segmentIdText(first.segment),
    last: segmentIdText(last.segment),
    end: walOffsetText(makeWalOffset(last.segment, last.endBytes)),
    sizeBytes: extents.reduce((sum, extent) => sum + extent.endBytes, 0),
  };
}
