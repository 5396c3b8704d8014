import { assert } from '../errors/rstow-error.ts';

/** CRC-32C (Castagnoli) of the bytes, as an unsigned number. An argument, because the native one is an npm module. */
export type Crc32c = (bytes: Uint8Array) => number;

/**
 * A record on disk, all numbers big-endian: "WLOG", type u8, flags u8, reserved u16, payload length u32,
 * crc32c(payload) u32, sequence u64, then the payload, which is JSON.
 * The CRC covers the payload alone; the server checks neither flags, reserved nor sequence.
 * @see rstmdb-wal 0.3.0 src/entry.rs
 */
export const RECORD_HEADER_SIZE_BYTES = 24;
export const RECORD_PAYLOAD_SIZE_BYTES_MAX = 16 * 1024 * 1024 - 64 * 1024;
const RECORD_MAGIC = 0x574c4f47;

export const recordTypes = {
  putMachine: 1,
  createInstance: 2,
  applyEvent: 3,
  deleteInstance: 4,
  snapshot: 5,
  checkpoint: 6,
  noop: 255,
} as const;

const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [recordTypes.putMachine, 'put_machine'],
  [recordTypes.createInstance, 'create_instance'],
  [recordTypes.applyEvent, 'apply_event'],
  [recordTypes.deleteInstance, 'delete_instance'],
  [recordTypes.snapshot, 'snapshot'],
  [recordTypes.checkpoint, 'checkpoint'],
  [recordTypes.noop, 'noop'],
]);

export type HeaderFault = 'magic' | 'type' | 'length';

/** The name of a header's type as payloads spell it; undefined where the server doesn't know the type. */
export function recordTypeName(type: number): string | undefined {
  return TYPE_NAMES.get(type);
}

/** What the server would refuse in the 24 header bytes at `at`, in the order in which it looks. */
export function headerFault(view: DataView, at: number): HeaderFault | undefined {
  if (view.getUint32(at) !== RECORD_MAGIC) return 'magic';
  const type = view.getUint8(at + 4);
  if ((type === 0 || type > recordTypes.checkpoint) && type !== recordTypes.noop) return 'type';
  return view.getUint32(at + 8) > RECORD_PAYLOAD_SIZE_BYTES_MAX ? 'length' : undefined;
}

/** The size of the whole record whose sound header lies at `at`. */
export function recordSizeBytes(view: DataView, at: number): number {
  return RECORD_HEADER_SIZE_BYTES + view.getUint32(at + 8);
}

export function headerCrc32c(view: DataView, at: number): number {
  return view.getUint32(at + 12);
}

/**
 * The record's sequence number, exact up to 2^53. A larger one can only come from a flipped bit (no CRC covers it)
 * and is rounded: that is enough to count it as out of order, and keeps bigints off the path of every record.
 */
export function headerSequence(view: DataView, at: number): number {
  return view.getUint32(at + 16) * 2 ** 32 + view.getUint32(at + 20);
}

/** The bytes that the server would append for this payload. */
export function encodeRecord(record: { type: number; sequence: number; payload: Uint8Array }, crc32c: Crc32c): Uint8Array {
  const { type, sequence, payload } = record;
  assert(TYPE_NAMES.has(type), 'a record has a type that the server knows');
  assert(Number.isSafeInteger(sequence) && sequence >= 0, 'a sequence number is a natural number below 2^53');
  assert(payload.length <= RECORD_PAYLOAD_SIZE_BYTES_MAX, 'a payload fits into a record');
  const bytes = new Uint8Array(RECORD_HEADER_SIZE_BYTES + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, RECORD_MAGIC);
  view.setUint8(4, type);
  view.setUint32(8, payload.length);
  view.setUint32(12, crc32c(payload));
  view.setBigUint64(16, BigInt(sequence));
  bytes.set(payload, RECORD_HEADER_SIZE_BYTES);
  return bytes;
}

/** The beginning of a record whose end lies in a later chunk. Grows to what is asked for and copies nothing more. */
export type StraddlingRecord = { buffer: Uint8Array; sizeBytes: number };

const FIRST_SIZE_BYTES = 4096;

export function createStraddlingRecord(): StraddlingRecord {
  return { buffer: new Uint8Array(FIRST_SIZE_BYTES), sizeBytes: 0 };
}

export function begin(record: StraddlingRecord, rest: Uint8Array): void {
  assert(record.sizeBytes === 0, 'one record straddles at a time');
  fill(record, rest, rest.length);
}

/** Copies from the start of `source` until `wantedBytes` are held; returns how many bytes that took. */
export function fill(record: StraddlingRecord, source: Uint8Array, wantedBytes: number): number {
  if (wantedBytes > record.buffer.length) {
    const larger = new Uint8Array(wantedBytes);
    larger.set(record.buffer.subarray(0, record.sizeBytes));
    record.buffer = larger;
  }
  const takenBytes = Math.max(0, Math.min(wantedBytes - record.sizeBytes, source.length));
  record.buffer.set(source.subarray(0, takenBytes), record.sizeBytes);
  record.sizeBytes += takenBytes;
  return takenBytes;
}

/** What is held so far; valid until the next fill. */
export function held(record: StraddlingRecord): Uint8Array {
  return record.buffer.subarray(0, record.sizeBytes);
}
