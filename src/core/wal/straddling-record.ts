import { assert } from '../errors/assert.ts';

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
