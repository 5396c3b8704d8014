/** Writes into a log what a crash, a full disk or a rotation race leaves there. */
import { appendFile, readFile, truncate } from 'node:fs/promises';
import { createRecordScanner } from '../../src/core/wal/record-scanner.ts';
import { encodeRecord, recordTypes } from '../../src/core/wal/record.ts';
import { crc32c } from '../../src/io/checksum/checksum.ts';

/** Far above any number that a test's server gives out. */
let sequence = 1_000_000;

/** The record of a new order, as the server would append it. */
export function orderRecord(id: string): Uint8Array {
  sequence += 1;
  const entry = {
    type: 'create_instance',
    instance_id: id,
    machine: 'order',
    version: 1,
    initial_state: 'created',
    initial_ctx: { by: 'wal-writer' },
  };
  return encodeRecord({ type: recordTypes.createInstance, sequence, payload: Buffer.from(JSON.stringify(entry)) }, crc32c);
}

export async function append(path: string, ...parts: Uint8Array[]): Promise<void> {
  await appendFile(path, Buffer.concat(parts));
}

/** Where the segment's whole records end, in order. */
export async function recordEnds(path: string): Promise<number[]> {
  const ends: number[] = [];
  const scanner = createRecordScanner({ crc32c, startBytes: 0, onRecord: ({ endBytes }) => ends.push(endBytes) });
  scanner.push(await readFile(path));
  return ends;
}

/** Leaves so many bytes of the last record. Gives where that record begins. */
export async function tearLastRecord(path: string, keptBytes: number): Promise<number> {
  const startBytes = (await recordEnds(path)).at(-2) ?? 0;
  await truncate(path, startBytes + keptBytes);
  return startBytes;
}
