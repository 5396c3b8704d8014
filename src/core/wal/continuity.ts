import type { SegmentId } from './segment-id.ts';

/** Segments `first` to `last`, both missing. */
export type SegmentHole = { first: number; last: number };

export type Continuity = {
  holes: SegmentHole[];
  /** from-log: the server can be rebuilt from these segments alone, for they begin with its very first. */
  restorable: 'from-log' | 'no';
};

/** A fresh server's first segment. @see rstmdb-wal 0.3.0 src/wal.rs rotate_segment */
const FIRST_SEGMENT = 1;

/** The holes between the lowest and the highest of these segments, in any order, and what the set is worth. */
export function continuityOf(segments: Iterable<SegmentId>): Continuity {
  const sorted = [...segments].sort((a, b) => a - b);
  const holes: SegmentHole[] = [];
  for (const [index, segment] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next !== undefined && next > segment + 1) holes.push({ first: segment + 1, last: next - 1 });
  }
  return { holes, restorable: sorted[0] === FIRST_SEGMENT && holes.length === 0 ? 'from-log' : 'no' };
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
