import { crc32c } from '@node-rs/crc32';
import { describe, expect, it } from 'vitest';
import { findSegmentTail } from '../../../../src/core/wal/segment-tail.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';

const segment = goldenSegment();
const boundaries = [0, ...scanAll([segment]).records.map(({ endBytes }) => endBytes)];
const lastStart = boundaries.at(-2) ?? 0;

describe('the end of a segment', () => {
  it('is torn behind the last whole record in every proper prefix', () => {
    for (let length = 0; length < segment.length; length += 1) {
      const endBytes = Math.max(...boundaries.filter((boundary) => boundary <= length));
      const found = findSegmentTail(segment.subarray(0, length), crc32c, { isWhole: true });
      expect(found).toEqual({ kind: length === endBytes ? 'whole' : 'torn', endBytes });
    }
  });

  it('is the same wherever the reading begins, as long as a whole record is in it', () => {
    const torn = segment.subarray(0, segment.length - 3);
    for (let startBytes = 0; startBytes < torn.length; startBytes += 1) {
      const found = findSegmentTail(torn.subarray(startBytes), crc32c, { isWhole: false });
      const isThere = boundaries.some((boundary, index) => boundary >= startBytes && (boundaries[index + 1] ?? Infinity) <= torn.length);
      expect(found).toEqual(isThere ? { kind: 'torn', endBytes: lastStart - startBytes } : undefined);
    }
  });

  it.each([new Uint8Array(10), new Uint8Array(5000), Buffer.from('garbage'.repeat(20))])('is before what is no record', (tail) => {
    expect(findSegmentTail(Buffer.concat([segment, tail]), crc32c, { isWhole: true })).toEqual({ kind: 'torn', endBytes: segment.length });
  });

  it('is none if whole records stand behind damage', () => {
    const damaged = Buffer.concat([segment.subarray(0, segment.length - 3), segment]);
    expect(findSegmentTail(damaged, crc32c, { isWhole: true })).toEqual({ kind: 'damaged', endBytes: lastStart });
  });

  it('is before a last record with a flipped bit', () => {
    const flipped = Buffer.from(segment);
    flipped[segment.length - 2] = (flipped[segment.length - 2] ?? 0) ^ 1;
    expect(findSegmentTail(flipped, crc32c, { isWhole: true })).toEqual({ kind: 'torn', endBytes: lastStart });
  });
});
