import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeRecord, recordTypes } from '../../../../src/core/wal/record.ts';
import { findWholeRecords } from '../../../../src/core/wal/record-scanner.ts';
import { crc32c } from '../../../../src/io/checksum/checksum.ts';

/** A part of a segment: a whole record, or bytes among which none can begin. */
const record = fc
  .uint8Array({ maxLength: 200 })
  .map((payload) => ({ isRecord: true, bytes: encodeRecord({ type: recordTypes.applyEvent, sequence: 7, payload }, crc32c) }));
const damage = fc
  .uint8Array({ minLength: 1, maxLength: 200 })
  .map((bytes) => ({ isRecord: false, bytes: bytes.map((byte) => (byte === 0x57 ? 0 : byte)) }));

it('finds every whole record among damage, and accounts for every byte', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(record, damage), { maxLength: 12 }), (parts) => {
      const bytes = Buffer.concat(parts.map((part) => part.bytes));
      const { kept, leftOut, records } = findWholeRecords(bytes, crc32c);
      const whole = parts.filter(({ isRecord }) => isRecord);
      expect(records).toBe(whole.length);
      expect(Buffer.concat(kept.map(({ startBytes, endBytes }) => bytes.subarray(startBytes, endBytes)))).toEqual(
        Buffer.concat(whole.map((part) => part.bytes)),
      );
      const ranges = [...kept, ...leftOut].sort((one, other) => one.startBytes - other.startBytes);
      expect(ranges.map(({ startBytes }) => startBytes)).toEqual([0, ...ranges.map(({ endBytes }) => endBytes)].slice(0, ranges.length));
      expect(ranges.at(-1)?.endBytes ?? 0).toBe(bytes.length);
    }),
  );
});

it('takes a record’s own magic inside its payload for no record', () => {
  const inner = encodeRecord({ type: recordTypes.applyEvent, sequence: 1, payload: Buffer.from('x') }, crc32c);
  const outer = encodeRecord({ type: recordTypes.applyEvent, sequence: 2, payload: inner }, crc32c);
  expect(findWholeRecords(outer, crc32c)).toEqual({ kept: [{ startBytes: 0, endBytes: outer.length }], leftOut: [], records: 1 });
});
