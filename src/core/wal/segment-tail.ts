import { findNextRecord } from './record-scanner.ts';
import { type Crc32c, headerCrc32c, headerFault, RECORD_HEADER_SIZE_BYTES, recordSizeBytes } from './record.ts';

/**
 * How a segment ends; `endBytes` is the end of its last whole record, in the bytes that were looked at. torn: what follows
 * is no record, and was never acknowledged. damaged: whole records stand behind it, so it is no end.
 */
export type SegmentTail = { kind: 'whole' | 'torn' | 'damaged'; endBytes: number };

/**
 * Finds the end by a segment's last bytes. They may begin in the middle of a record: the first whole one in them is the
 * beginning then, and no record's own text looks like one, for JSON has no zero bytes. Undefined if no record is in them,
 * unless they are the whole segment: then more of it has to be read.
 */
export function findSegmentTail(bytes: Uint8Array, crc32c: Crc32c, { isWhole }: { isWhole: boolean }): SegmentTail | undefined {
  const startBytes = isWhole ? 0 : findNextRecord(bytes, 0, crc32c);
  if (startBytes === undefined) return undefined;
  const endBytes = boundaryBehind(bytes, crc32c, startBytes);
  if (endBytes === bytes.length) return { kind: 'whole', endBytes };
  return { kind: findNextRecord(bytes, endBytes + 1, crc32c) === undefined ? 'torn' : 'damaged', endBytes };
}

function boundaryBehind(bytes: Uint8Array, crc32c: Crc32c, startBytes: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = startBytes;
  while (bytes.length - at >= RECORD_HEADER_SIZE_BYTES && headerFault(view, at) === undefined) {
    const endBytes = at + recordSizeBytes(view, at);
    if (endBytes > bytes.length || crc32c(bytes.subarray(at + RECORD_HEADER_SIZE_BYTES, endBytes)) !== headerCrc32c(view, at)) return at;
    at = endBytes;
  }
  return at;
}
