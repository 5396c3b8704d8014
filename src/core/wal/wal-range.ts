import type { SegmentId } from './segment-id.ts';

/** How much of a segment there is: bytes `[0, endBytes)`. */
export type Extent = { segment: SegmentId; endBytes: number };

/** Bytes `[startBytes, endBytes)` of one segment; both ends lie on record boundaries. */
export type WalRange = { segment: SegmentId; startBytes: number; endBytes: number };
