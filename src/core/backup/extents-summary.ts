import { assert } from '../errors/assert.ts';
import { segmentIdText } from '../wal/segment-id.ts';
import { makeWalOffset, type WalOffsetText, walOffsetText } from '../wal/wal-offset.ts';
import type { Extent } from '../wal/wal-range.ts';

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
