import {
  begin,
  type Crc32c,
  createStraddlingRecord,
  fill,
  headerCrc32c,
  type HeaderFault,
  headerFault,
  headerSequence,
  held,
  RECORD_HEADER_SIZE_BYTES,
  recordSizeBytes,
  type StraddlingRecord,
} from './record.ts';

/** One whole record. `payload` is a view into a chunk or into the scanner's own buffer: valid only during the call. */
export type RecordView = {
  type: number;
  /** Exact up to 2^53, see headerSequence. */
  sequence: number;
  /** As the header says it, and as it holds. */
  crc32c: number;
  startBytes: number;
  endBytes: number;
  payload: Uint8Array;
};

/**
 * How the bytes ended; `positionBytes` is the end of the last whole record.
 * whole: exactly there. torn: in the middle of a record, or with less than a header.
 * zeros: with zero bytes only. corrupt: with something that can't become a record, whatever is appended.
 * The server starts on the first three and ignores the rest of the segment; on a corrupt one it refuses to
 * start or, where zeros come before other bytes (reason magic), silently loses what is behind them.
 */
export type ScanEnd =
  | { kind: 'whole' | 'torn' | 'zeros'; positionBytes: number }
  | { kind: 'corrupt'; positionBytes: number; reason: HeaderFault | 'checksum' };

type RecordScanner = {
  /** Takes the segment's next bytes, cut anywhere. After corrupt bytes it takes no more. */
  push(chunk: Uint8Array): void;
  finish(): ScanEnd;
};

type ScannerOptions = {
  crc32c: Crc32c;
  /** Where in the segment the first pushed byte lies: a record boundary. */
  startBytes: number;
  onRecord: (record: RecordView) => void;
};

type Scan = {
  readonly crc32c: Crc32c;
  readonly onRecord: (record: RecordView) => void;
  readonly straddling: StraddlingRecord;
  positionBytes: number;
  zerosSeen: boolean;
  fault: HeaderFault | 'checksum' | undefined;
};

/**
 * Finds the records in one segment's bytes; copies only a record that straddles two chunks.
 * @see rstmdb-wal 0.3.0 src/segment.rs read_all
 */
export function createRecordScanner(options: ScannerOptions): RecordScanner {
  const scan: Scan = {
    crc32c: options.crc32c,
    onRecord: options.onRecord,
    straddling: createStraddlingRecord(),
    positionBytes: options.startBytes,
    zerosSeen: false,
    fault: undefined,
  };
  return { push: (chunk) => push(scan, chunk), finish: () => endOf(scan) };
}

/**
 * The position in `bytes` of the first whole, valid record at or after `fromBytes`. Found behind a damaged place it
 * proves damage in the middle; not found, the log just ends there. "WLOG" inside a payload is no record: its CRC says so.
 */
export function findNextRecord(bytes: Uint8Array, fromBytes: number, crc32c: Crc32c): number | undefined {
  const view = viewOf(bytes);
  const lastBytes = bytes.length - RECORD_HEADER_SIZE_BYTES;
  for (let at = bytes.indexOf(0x57, fromBytes); at >= 0 && at <= lastBytes; at = bytes.indexOf(0x57, at + 1)) {
    if (headerFault(view, at) !== undefined) continue;
    const endBytes = at + recordSizeBytes(view, at);
    if (endBytes > bytes.length) continue;
    if (crc32c(bytes.subarray(at + RECORD_HEADER_SIZE_BYTES, endBytes)) === headerCrc32c(view, at)) return at;
  }
  return undefined;
}

function push(scan: Scan, chunk: Uint8Array): void {
  if (scan.fault !== undefined) return;
  if (scan.zerosSeen) return takeZeros(scan, chunk);
  walk(scan, scan.straddling.sizeBytes === 0 ? chunk : completeStraddling(scan, chunk));
}

/** Takes every whole record of a chunk that begins on a boundary; keeps what is left for the next chunk. */
function walk(scan: Scan, chunk: Uint8Array): void {
  if (scan.fault !== undefined || chunk.length === 0) return;
  const view = viewOf(chunk);
  let at = 0;
  while (chunk.length - at >= RECORD_HEADER_SIZE_BYTES) {
    if (view.getUint32(at) === 0) return takeZeros(scan, chunk.subarray(at));
    scan.fault = headerFault(view, at);
    if (scan.fault !== undefined) return;
    const sizeBytes = recordSizeBytes(view, at);
    if (chunk.length - at < sizeBytes) break;
    if (!takeRecord(scan, view, chunk.subarray(at + RECORD_HEADER_SIZE_BYTES, at + sizeBytes))) return;
    at += sizeBytes;
  }
  if (at < chunk.length) begin(scan.straddling, chunk.subarray(at));
}

/** Reports the record whose payload this is, if it is sound; `view` covers the buffer that also holds its header. */
function takeRecord(scan: Scan, view: DataView, payload: Uint8Array): boolean {
  const at = payload.byteOffset - view.byteOffset - RECORD_HEADER_SIZE_BYTES;
  const crc32c = headerCrc32c(view, at);
  if (scan.crc32c(payload) !== crc32c) {
    scan.fault = 'checksum';
    return false;
  }
  const startBytes = scan.positionBytes;
  scan.positionBytes = startBytes + RECORD_HEADER_SIZE_BYTES + payload.length;
  scan.onRecord({
    type: view.getUint8(at + 4),
    sequence: headerSequence(view, at),
    crc32c,
    startBytes,
    endBytes: scan.positionBytes,
    payload,
  });
  return true;
}

/** The server takes four zero bytes where a record should begin for the end of the segment, whatever follows. */
function takeZeros(scan: Scan, bytes: Uint8Array): void {
  scan.zerosSeen = true;
  if (!isZero(bytes)) scan.fault = 'magic';
}

/** Completes the record that straddles, as far as the chunk goes; returns the rest of the chunk. */
function completeStraddling(scan: Scan, chunk: Uint8Array): Uint8Array {
  const { straddling } = scan;
  const headerTakenBytes = fill(straddling, chunk, RECORD_HEADER_SIZE_BYTES);
  const afterHeader = chunk.subarray(headerTakenBytes);
  if (straddling.sizeBytes < RECORD_HEADER_SIZE_BYTES) return afterHeader;
  const header = viewOf(held(straddling));
  if (header.getUint32(0) === 0) {
    takeZeros(scan, held(straddling));
    if (scan.fault === undefined) takeZeros(scan, afterHeader);
    return afterHeader.subarray(afterHeader.length);
  }
  scan.fault = headerFault(header, 0);
  if (scan.fault !== undefined) return afterHeader;
  const sizeBytes = recordSizeBytes(header, 0);
  const rest = afterHeader.subarray(fill(straddling, afterHeader, sizeBytes));
  if (straddling.sizeBytes < sizeBytes) return rest;
  const record = held(straddling);
  takeRecord(scan, viewOf(record), record.subarray(RECORD_HEADER_SIZE_BYTES));
  straddling.sizeBytes = 0;
  return rest;
}

function endOf(scan: Scan): ScanEnd {
  const { positionBytes, fault, straddling } = scan;
  if (fault !== undefined) return { kind: 'corrupt', positionBytes, reason: fault };
  if (scan.zerosSeen) return { kind: 'zeros', positionBytes };
  if (straddling.sizeBytes === 0) return { kind: 'whole', positionBytes };
  // Less than a header: the server doesn't look at it, so it can only be torn or zero.
  return { kind: isZero(held(straddling)) ? 'zeros' : 'torn', positionBytes };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

export type ByteRange = { startBytes: number; endBytes: number };

/** The kept and the left out ranges alternate and cover every byte. */
type WholeRecords = { kept: ByteRange[]; leftOut: ByteRange[]; records: number };

/** Every whole, valid record of a segment, those behind damage too, and the bytes that are none. */
export function findWholeRecords(bytes: Uint8Array, crc32c: Crc32c): WholeRecords {
  const found: WholeRecords = { kept: [], leftOut: [], records: 0 };
  let positionBytes = 0;
  while (positionBytes < bytes.length) {
    const run = wholeRun(bytes, positionBytes, crc32c);
    found.records += run.records;
    if (run.endBytes > positionBytes) found.kept.push({ startBytes: positionBytes, endBytes: run.endBytes });
    if (run.endBytes === bytes.length) break;
    const nextBytes = findNextRecord(bytes, run.endBytes + 1, crc32c) ?? bytes.length;
    found.leftOut.push({ startBytes: run.endBytes, endBytes: nextBytes });
    positionBytes = nextBytes;
  }
  return found;
}

function wholeRun(bytes: Uint8Array, startBytes: number, crc32c: Crc32c): { endBytes: number; records: number } {
  let records = 0;
  const scanner = createRecordScanner({ crc32c, startBytes, onRecord: () => (records += 1) });
  scanner.push(bytes.subarray(startBytes));
  return { endBytes: scanner.finish().positionBytes, records };
}
