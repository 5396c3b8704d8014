import { z } from 'zod';
import {
  parseSegmentIdText,
  parseWalOffset,
  type SegmentId,
  segmentIdText,
  type WalOffset,
  walOffsetText,
} from '../../core/wal/wal-offset.ts';

/** Parts that the repository's JSON objects share. */
export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits');
export const timelineId = z.string().regex(/^[0-9]{4,9}$/, 'must be a timeline such as 0001');
export const sizeBytes = z.int().min(0);
export const count = z.int().min(0);

/** 16 hex digits in JSON, a SegmentId inside. */
export const segmentText = z.codec(
  z.string().refine((text) => parseSegmentIdText(text) !== undefined, 'must be 16 hex digits below 2^24'),
  z.custom<SegmentId>((value) => typeof value === 'number'),
  { decode: (text) => parseSegmentIdText(text) as SegmentId, encode: segmentIdText },
);

/** In decimal in JSON, a WalOffset inside. */
export const offsetText = z.codec(
  z.string().refine((text) => parseWalOffset(text) !== undefined, 'must be an offset in decimal'),
  z.custom<WalOffset>((value) => typeof value === 'bigint'),
  { decode: (text) => parseWalOffset(text) as WalOffset, encode: walOffsetText },
);

/** How much of a segment: bytes `[0, endBytes)`. */
export const extent = z.object({ segment: segmentText, endBytes: sizeBytes });
