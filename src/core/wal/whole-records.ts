import type { Crc32c } from './record.ts';
import { createRecordScanner, findNextRecord } from './record-scanner.ts';

export type ByteRange = { startBytes: number; endBytes: number };

/** The kept and the left out ranges alternate and cover every byte. */
export type WholeRecords = { kept: ByteRange[]; leftOut: ByteRange[]; records: number };

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
