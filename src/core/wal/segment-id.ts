declare const brand: unique symbol;

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
