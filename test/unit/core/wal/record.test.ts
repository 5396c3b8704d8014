import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AssertionError } from '../../../../src/core/errors/rstow-error.ts';
import { encodeRecord, RECORD_PAYLOAD_SIZE_BYTES_MAX, recordTypeName, recordTypes } from '../../../../src/core/wal/record.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';

test('decodes every record of a real server and encodes it to the same bytes', () => {
  const segment = goldenSegment();
  const { records, end } = scanAll([segment]);
  expect(end).toEqual({ kind: 'whole', positionBytes: segment.length });
  expect(records).toHaveLength(19);
  for (const record of records) {
    expect(encodeRecord(record, crc32c)).toEqual(segment.slice(record.startBytes, record.endBytes));
  }
});

test('numbers the records of a real server from 1 on', () => {
  const { records } = scanAll([goldenSegment()]);
  expect(records.map(({ sequence }) => sequence)).toEqual(records.map((_, index) => index + 1));
});

test('names a type as the payload does', () => {
  for (const record of scanAll([goldenSegment()]).records) {
    const payload = JSON.parse(new TextDecoder().decode(record.payload)) as { type: string };
    expect(recordTypeName(record.type)).toBe(payload.type);
  }
});

test('decodes what it encodes, whatever type, sequence and payload', () => {
  const record = fc.record({
    type: fc.constantFrom(...Object.values(recordTypes)),
    sequence: fc.maxSafeNat(),
    payload: fc.uint8Array({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(record, (given) => {
      const { records, end } = scanAll([encodeRecord(given, crc32c)]);
      expect(records).toMatchObject([given]);
      expect(end.kind).toBe('whole');
    }),
  );
});

test('refuses to encode what the server could not have written', () => {
  const payload = new Uint8Array(2);
  expect(() => encodeRecord({ type: 9, sequence: 1, payload }, crc32c)).toThrow(AssertionError);
  expect(() => encodeRecord({ type: 1, sequence: -1, payload }, crc32c)).toThrow(AssertionError);
  const tooLarge = new Uint8Array(RECORD_PAYLOAD_SIZE_BYTES_MAX + 1);
  expect(() => encodeRecord({ type: 1, sequence: 1, payload: tooLarge }, crc32c)).toThrow(AssertionError);
});
