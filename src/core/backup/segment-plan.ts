import { RstowError } from '../errors/rstow-error.ts';
import { type Piece, pieceKey } from '../repository/piece.ts';
import { planSlices, type Slice } from '../repository/slices.ts';
import type { SegmentId } from '../wal/segment-id.ts';
import type { Extent } from '../wal/wal-range.ts';

/** A byte range as a manifest promises it. */
export type PromisedRange = { timeline: string; startBytes: number; endBytes: number; sha256: string; records: number };

/** A segment as a manifest promises it: its ranges follow one another from byte 0. */
export type PromisedSegment = { segment: SegmentId; ranges: PromisedRange[] };

/** How to put the segment together again, and what to check on the way. */
export type PlannedSegment = {
  segment: SegmentId;
  endBytes: number;
  slices: { key: string; skipBytes: number; takeBytes: number }[];
  ranges: { endBytes: number; sha256: string; records: number }[];
};

/**
 * Finds stored pieces for every promised range. Fails: missing-object, naming the piece; damaged-object, where the
 * manifest's ranges don't follow one another.
 */
export function planSegment(database: string, promised: PromisedSegment, stored: readonly Piece[]): PlannedSegment {
  const slices: Slice[] = [];
  for (const run of runsOf(promised)) {
    const own = stored.filter((piece) => piece.timeline === run.timeline);
    const plan = planSlices(own, run.startBytes, run.endBytes);
    if (plan.kind === 'missing') throw missing(database, promised, plan.startBytes);
    slices.push(...plan.slices);
  }
  return {
    segment: promised.segment,
    endBytes: promised.ranges.at(-1)?.endBytes ?? 0,
    slices: slices.map(({ piece, skipBytes, takeBytes }) => ({ key: piece.key, skipBytes, takeBytes })),
    ranges: promised.ranges.map(({ endBytes, sha256, records }) => ({ endBytes, sha256, records })),
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

function missing(database: string, { segment, ranges }: PromisedSegment, positionBytes: number): RstowError {
  const range = ranges.find(({ endBytes }) => endBytes > positionBytes);
  const key = range === undefined ? 'a piece' : pieceKey(database, range.timeline, { segment, ...range });
  return new RstowError('missing-object', `${key} is missing, and no other piece covers byte ${positionBytes}`, {
    details: { key, positionBytes },
  });
}
