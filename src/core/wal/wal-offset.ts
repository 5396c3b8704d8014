import { makeSegmentId, type SegmentId } from './segment-id.ts';

declare const brand: unique symbol;

/** A place in the log: `segment << 40 | position`. It passes 2^53 at segment 8192, so never a number. */
export type WalOffset = bigint & { readonly [brand]: 'WalOffset' };

/** A WalOffset in decimal, as the server prints it: what crosses JSON. */
export type WalOffsetText = string & { readonly [brand]: 'WalOffsetText' };

const POSITION_BITS = 40n;
const POSITION_MASK = (1n << POSITION_BITS) - 1n;
const DECIMAL = /^(0|[1-9][0-9]{0,19})$/;

export function makeWalOffset(segment: SegmentId, positionBytes: number): WalOffset {
  return ((BigInt(segment) << POSITION_BITS) | BigInt(positionBytes)) as WalOffset;
}

export function segmentOf(offset: WalOffset): SegmentId {
  return Number(offset >> POSITION_BITS) as SegmentId;
}

export function positionBytesOf(offset: WalOffset): number {
  return Number(offset & POSITION_MASK);
}

export function walOffsetText(offset: WalOffset): WalOffsetText {
  return offset.toString() as WalOffsetText;
}

/** Undefined where the text is no decimal u64 whose segment number fits in 24 bits. */
export function parseWalOffset(text: string): WalOffset | undefined {
  if (!DECIMAL.test(text)) return undefined;
  const offset = BigInt(text);
  return makeSegmentId(Number(offset >> POSITION_BITS)) === undefined ? undefined : (offset as WalOffset);
}
