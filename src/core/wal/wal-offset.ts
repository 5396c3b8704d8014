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

/** A WAL segment's number, 1 to 2^24 - 1: an offset keeps it in the 24 bits above the position. */
export type SegmentId = number & { readonly [brand]: 'SegmentId' };

export const SEGMENT_ID_MAX = 2 ** 24 - 1;

/** @see rstmdb-wal 0.3.0 src/segment.rs: the file name is 16 lower-case hex digits and `.wal`. */
const FILE_NAME = /^([0-9a-f]{16})\.wal$/;
const HEX = /^[0-9a-f]{16}$/;

export function makeSegmentId(value: number): SegmentId | undefined {
  return Number.isInteger(value) && value >= 0 && value <= SEGMENT_ID_MAX ? (value as SegmentId) : undefined;
}

/** 16 lower-case hex digits, as in file names, keys and manifests: they sort by number. */
export function segmentIdText(id: SegmentId): string {
  return id.toString(16).padStart(16, '0');
}

export function parseSegmentIdText(text: string): SegmentId | undefined {
  return HEX.test(text) ? makeSegmentId(Number.parseInt(text, 16)) : undefined;
}

export function segmentFileName(id: SegmentId): string {
  return `${segmentIdText(id)}.wal`;
}

export function parseSegmentFileName(fileName: string): SegmentId | undefined {
  const match = FILE_NAME.exec(fileName);
  return match?.[1] === undefined ? undefined : parseSegmentIdText(match[1]);
}

/** How much of a segment there is: bytes `[0, endBytes)`. */
export type Extent = { segment: SegmentId; endBytes: number };

/** Bytes `[startBytes, endBytes)` of one segment; both ends lie on record boundaries. */
export type WalRange = { segment: SegmentId; startBytes: number; endBytes: number };
