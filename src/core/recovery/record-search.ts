import { mayConcern, readLogEntry } from '../state/log-entry.ts';
import type { Extent, SegmentId } from '../wal/wal-offset.ts';
import { describeRecord, type SeenRecord } from './log-record.ts';
import { countsAs, type TargetEvent } from './target.ts';

/** Looks for the record that a recovery is to end at, in the order of the log. */
export type RecordSearch = {
  see(segment: SegmentId, record: SeenRecord): void;
  /** Whether later records can't change what was found. */
  isDecided(): boolean;
  /** The end of the recovered log, a record's boundary; undefined where the record is not there. */
  found(): Extent | undefined;
};

export type SequenceSearch = RecordSearch & {
  /** Records that stand before the point though their numbers are higher: a writer that lost a race stores an older number later. */
  higher(): HigherNumbers;
  /** The nearest numbers that there are, below and above. */
  nearest(): { below?: number; above?: number };
};

export type HigherNumbers = { count: number; first: number[] };

const NAMED_MAX = 5;

/** The point just behind the first record of that number. */
export function searchSequence(sequence: number): SequenceSearch {
  let end: Extent | undefined;
  let higherCount = 0;
  const first: number[] = [];
  const nearest: { below?: number; above?: number } = {};
  return {
    see(segment, record) {
      if (end !== undefined) return;
      if (record.sequence === sequence) {
        end = { segment, endBytes: record.endBytes };
      } else if (record.sequence > sequence) {
        higherCount += 1;
        // One above 2^53 comes from a flipped bit, and is rounded.
        if (first.length < NAMED_MAX && Number.isSafeInteger(record.sequence)) first.push(record.sequence);
        nearest.above = Math.min(nearest.above ?? record.sequence, record.sequence);
      } else {
        nearest.below = Math.max(nearest.below ?? record.sequence, record.sequence);
      }
    },
    isDecided: () => end !== undefined,
    found: () => end,
    higher: () => ({ count: higherCount, first }),
    nearest: () => ({ ...nearest }),
  };
}

export type EventSearch = RecordSearch & {
  /** How many records of the instance there are, and how many of them match. */
  counts(): { ofInstance: number; matching: number };
};

/** The point just before or behind a record of an instance. */
export function searchEvent(wanted: TargetEvent, side: 'before' | 'after'): EventSearch {
  let found: Extent | undefined;
  const counts = { ofInstance: 0, matching: 0 };
  const isWorthReading = mayConcern(wanted.instance);
  const isDecided = (): boolean => wanted.occurrence !== undefined && counts.matching >= wanted.occurrence;
  return {
    see(segment, record) {
      if (isDecided() || !isWorthReading(record.payload)) return;
      const entry = readLogEntry(record.payload);
      if (entry === undefined || !('id' in entry) || entry.id !== wanted.instance) return;
      counts.ofInstance += 1;
      if (!countsAs(wanted.record, entry.kind)) return;
      if (wanted.event !== undefined && describeRecord(segment, record).event !== wanted.event) return;
      counts.matching += 1;
      if (wanted.occurrence === undefined || wanted.occurrence === counts.matching) {
        found = { segment, endBytes: side === 'before' ? record.startBytes : record.endBytes };
      }
    },
    isDecided,
    found: () => found,
    counts: () => ({ ...counts }),
  };
}

/** The last record boundary at or before a place in one segment. */
export function searchOffset(wanted: Extent): RecordSearch {
  let endBytes = 0;
  let isPassed = false;
  return {
    see(segment, record) {
      if (segment > wanted.segment || (segment === wanted.segment && record.endBytes > wanted.endBytes)) isPassed = true;
      else if (segment === wanted.segment) endBytes = record.endBytes;
    },
    isDecided: () => isPassed,
    found: () => ({ segment: wanted.segment, endBytes }),
  };
}
