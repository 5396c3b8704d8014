import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeRecord, RECORD_HEADER_SIZE_BYTES, RECORD_PAYLOAD_SIZE_BYTES_MAX } from '../../../../src/core/wal/record.ts';
import { findNextRecord } from '../../../../src/core/wal/record-scanner.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';

const segment = goldenSegment();
const whole = scanAll([segment]);
const boundaries = [0, ...whole.records.map(({ endBytes }) => endBytes)];

test('calls every proper prefix of a segment torn behind its last whole record', () => {
  for (let length = 0; length < segment.length; length += 1) {
    const { records, end } = scanAll([segment.subarray(0, length)]);
    const positionBytes = Math.max(...boundaries.filter((boundary) => boundary <= length));
    expect(end).toEqual({ kind: length === positionBytes ? 'whole' : 'torn', positionBytes });
    expect(records).toHaveLength(boundaries.indexOf(positionBytes));
  }
});

test('finds the same records and the same end however the bytes are cut', () => {
  const zeros = new Uint8Array(100);
  const tails = [
    [],
    [segment.subarray(0, 30)],
    [zeros],
    [zeros, segment],
    [segment, zeros.fill(0x20, 90)],
    [new Uint8Array(30).fill(0x57)],
  ];
  const bytes = fc.constantFrom(...tails.map((tail) => join(segment, ...tail)));
  const cuts = fc.uniqueArray(fc.nat({ max: segment.length * 2 + 100 }), { maxLength: 60 });
  fc.assert(
    fc.property(bytes, cuts, fc.nat({ max: 130 }), (given, positions, behindSegment) => {
      const inside = [...positions, segment.length + behindSegment].filter((position) => position <= given.length);
      expect(scanAll(chunksOf(given, inside))).toEqual(scanAll([given]));
    }),
    { numRuns: 300 },
  );
});

test('finds the same records byte by byte', () => {
  expect(scanAll(chunksOf(segment, [...segment.keys()]))).toEqual(whole);
});

test('counts positions from where it starts', () => {
  const startBytes = boundaries[3] ?? 0;
  const { records, end } = scanAll([segment.subarray(startBytes)], startBytes);
  expect(records).toEqual(whole.records.slice(3));
  expect(end).toEqual(whole.end);
});

test('catches every flipped bit of a record but those that the format leaves uncovered', () => {
  const record = recordOf('{"type":"checkpoint","timestamp":1}');
  for (let bit = 0; bit < record.length * 8; bit += 1) {
    const flipped = record.slice();
    const at = bit >> 3;
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (bit & 7));
    const { end, records } = scanAll([flipped]);
    const uncovered = (at >= 5 && at < 8) || (at >= 16 && at < RECORD_HEADER_SIZE_BYTES);
    // The header's type isn't covered either; where a flip makes another known type, the payload's own type still rules.
    const otherType = at === 4 && [1, 2, 3, 4, 5, 6, 255].includes(flipped[at]);
    if (uncovered || otherType) expect(records).toHaveLength(1);
    else expect(end.kind).toMatch(/^(corrupt|torn)$/);
  }
});

test('gives the reason for which the server would refuse a record', () => {
  const record = recordOf('{}');
  const reasonWith = (at: number, ...values: number[]) => {
    const changed = record.slice();
    changed.set(values, at);
    return scanAll([changed]).end;
  };
  expect(reasonWith(0, 0x58)).toEqual({ kind: 'corrupt', positionBytes: 0, reason: 'magic' });
  expect(reasonWith(4, 9)).toEqual({ kind: 'corrupt', positionBytes: 0, reason: 'type' });
  expect(reasonWith(4, 0)).toEqual({ kind: 'corrupt', positionBytes: 0, reason: 'type' });
  expect(reasonWith(8, 0x01, 0, 0, 0)).toEqual({ kind: 'corrupt', positionBytes: 0, reason: 'length' });
  expect(reasonWith(12, 1, 2, 3, 4)).toEqual({ kind: 'corrupt', positionBytes: 0, reason: 'checksum' });
});

test('takes no record behind a corrupt one, in whichever chunk', () => {
  const damaged = segment.slice();
  const damagedAt = boundaries[2] ?? 0;
  damaged[damagedAt + RECORD_HEADER_SIZE_BYTES] = 0;
  for (const chunks of [[damaged], chunksOf(damaged, [...damaged.keys()])]) {
    const { records, end } = scanAll(chunks);
    expect(records).toHaveLength(2);
    expect(end).toEqual({ kind: 'corrupt', positionBytes: damagedAt, reason: 'checksum' });
  }
});

test('tells a zero-filled tail from a torn record, in whichever chunks it comes', () => {
  for (const zeros of [1, 4, 10, RECORD_HEADER_SIZE_BYTES - 1, RECORD_HEADER_SIZE_BYTES, 100, 4096]) {
    const bytes = join(segment, new Uint8Array(zeros));
    for (const chunks of [[bytes], chunksOf(bytes, [...bytes.keys()])]) {
      expect(scanAll(chunks).end).toEqual({ kind: 'zeros', positionBytes: segment.length });
    }
  }
});

test('calls zeros before other bytes corrupt, for the server would lose what is behind them', () => {
  for (const zeros of [RECORD_HEADER_SIZE_BYTES, 100, 4096]) {
    const bytes = join(segment, new Uint8Array(zeros), segment);
    for (const chunks of [[bytes], chunksOf(bytes, [...bytes.keys()])]) {
      expect(scanAll(chunks).end).toEqual({ kind: 'corrupt', positionBytes: segment.length, reason: 'magic' });
    }
  }
});

test('takes a record of the largest size that straddles many chunks', () => {
  const largest = encodeRecord({ type: 3, sequence: 1, payload: new Uint8Array(RECORD_PAYLOAD_SIZE_BYTES_MAX).fill(0x20) }, crc32c);
  const bytes = join(segment, largest, segment);
  const cuts = Array.from({ length: Math.ceil(bytes.length / 65_536) }, (_, index) => index * 65_536);
  const { records, end } = scanAll(chunksOf(bytes, cuts));
  expect(records.map(({ endBytes }) => endBytes)).toEqual(scanAll([bytes]).records.map(({ endBytes }) => endBytes));
  expect(end).toEqual({ kind: 'whole', positionBytes: bytes.length });
});

test('finds the next valid record behind damage, and none where the log just ends', () => {
  const torn = segment.subarray(0, segment.length - 1);
  const lastStartBytes = boundaries.at(-2) ?? 0;
  for (const [index, boundary] of boundaries.slice(0, -1).entries()) {
    expect(findNextRecord(segment, boundary, crc32c)).toBe(boundary);
    const next = boundaries[index + 1] ?? segment.length;
    expect(findNextRecord(torn, boundary + 1, crc32c)).toBe(next < lastStartBytes ? next : undefined);
  }
});

test('takes no "WLOG" inside a payload for a record', () => {
  const bytes = recordOf('{"text":"WLOG\u0003 and more that looks like a header"}');
  expect(findNextRecord(bytes, 1, crc32c)).toBeUndefined();
});

function recordOf(payloadText: string): Uint8Array {
  return encodeRecord({ type: 6, sequence: 7, payload: new TextEncoder().encode(payloadText) }, crc32c);
}

function chunksOf(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const ends = [...cuts, bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end));
}

function join(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
