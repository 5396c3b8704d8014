import type { SegmentId } from './wal-offset.ts';

/** Segments `first` to `last`, both missing. */
export type SegmentHole = { first: number; last: number };

export type Continuity = {
  holes: SegmentHole[];
  /** from-log: the server can be rebuilt from these segments alone, for they begin with its very first. from-baseline: with its state. */
  restorable: 'from-log' | 'from-baseline' | 'no';
};

/** A fresh server's first segment. @see rstmdb-wal 0.3.0 src/wal.rs rotate_segment */
export const FIRST_SEGMENT = 1;

const HOLES_NAMED_MAX = 3;

/**
 * The holes between the lowest and the highest of these segments, in any order, and what the set is worth. `baseline` is the
 * segment with which the log begins, if that holds the state of all before it.
 */
export function continuityOf(segments: Iterable<SegmentId>, baseline?: SegmentId): Continuity {
  const sorted = [...segments].sort((a, b) => a - b);
  const holes: SegmentHole[] = [];
  for (const [index, segment] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && next > segment + 1) holes.push({ first: segment + 1, last: next - 1 });
  }
  if (sorted[0] !== (baseline ?? FIRST_SEGMENT) || holes.length > 0) return { holes, restorable: 'no' };
  return { holes, restorable: baseline === undefined ? 'from-log' : 'from-baseline' };
}

/** The segments before the first hole: only with all of them can a server show what stands in one of them. None, if the very first is missing. */
export function reachableSegments(segments: readonly SegmentId[], baseline?: SegmentId): SegmentId[] {
  const sorted = [...segments].sort((a, b) => a - b);
  return sorted.filter((segment, index) => segment === (baseline ?? FIRST_SEGMENT) + index);
}

/** What is missing, the log's beginning too; nothing of no segments at all. */
export function missingRanges(segments: readonly SegmentId[], baseline?: SegmentId): SegmentHole[] {
  if (segments.length === 0) return [];
  const first = Math.min(...segments);
  const wanted = baseline ?? FIRST_SEGMENT;
  const beginning = first > wanted ? [{ first: wanted, last: first - 1 }] : [];
  return [...beginning, ...continuityOf(segments).holes];
}

/** The same in words; undefined for a whole log. */
export function missingText(segments: readonly SegmentId[], baseline?: SegmentId): string | undefined {
  const holes = missingRanges(segments, baseline);
  return holes.length === 0 ? undefined : rangesText(holes);
}

/** Segments in words: `segments 1 to 3, 7`. */
export function segmentsText(segments: readonly SegmentId[]): string {
  const ranges: SegmentHole[] = [];
  for (const segment of [...segments].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last.last === segment - 1) last.last = segment;
    else ranges.push({ first: segment, last: segment });
  }
  return rangesText(ranges);
}

function rangesText(holes: readonly SegmentHole[]): string {
  const named = holes
    .slice(0, HOLES_NAMED_MAX)
    .map((hole) => (hole.first === hole.last ? `${hole.first}` : `${hole.first} to ${hole.last}`));
  const more = holes.length - named.length;
  const isOne = holes.length === 1 && holes[0]?.first === holes[0]?.last;
  return `${isOne ? 'segment' : 'segments'} ${named.join(', ')}${more > 0 ? ` and ${more} more ranges` : ''}`;
}

/** Counted, not judged: failed writes burn numbers, and a writer that lost a race stores an older number later. */
export type SequenceCounts = { gaps: number; inversions: number };

/** Counts the places where the number jumps past the next one (gaps) and where it falls back (inversions). */
export function createSequenceCounter() {
  let highest: number | undefined;
  const counts: SequenceCounts = { gaps: 0, inversions: 0 };
  return {
    observe(sequence: number): void {
      if (highest !== undefined && sequence > highest + 1) counts.gaps += 1;
      if (highest !== undefined && sequence <= highest) counts.inversions += 1;
      highest = Math.max(highest ?? sequence, sequence);
    },
    counts: (): SequenceCounts => ({ ...counts }),
  };
}
