import { expect, test } from 'vitest';
import { AssertionError } from '../../../../src/core/errors/assert.ts';
import { checkpointFits, checkpointLines } from '../../../../src/core/state/checkpoint.ts';
import { createReplayIndex } from '../../../../src/core/state/replay-index.ts';
import type { SegmentId } from '../../../../src/core/wal/segment-id.ts';
import type { Extent } from '../../../../src/core/wal/wal-range.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { parseCheckpoint } from '../../../fixtures/wal/parse-checkpoint.ts';
import { replayLog } from '../../../fixtures/wal/replay.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';

const FIRST = 1 as SegmentId;
const payloads = scanAll([goldenSegment()]).records.map(({ payload }) => payload);
const { index, digest } = replayLog(new Map([[FIRST, payloads]]));
const lines = [...checkpointLines(index, extentsOf([1, 19]), digest)];

test('reads back what it wrote', () => {
  const checkpoint = parseCheckpoint(lines);
  expect(checkpoint).toMatchObject({ extents: extentsOf([1, 19]), digest });
  expect([...checkpointLines(createReplayIndex(checkpoint), extentsOf([1, 19]), digest)]).toEqual(lines);
});

test('takes no part of a checkpoint for one', () => {
  for (let count = 0; count < lines.length; count += 1) {
    expect(parseCheckpoint(lines.slice(0, count))).toBeUndefined();
    expect(parseCheckpoint(lines.toSpliced(count, 1))).toBeUndefined();
    expect(parseCheckpoint(lines.with(count, lines[count]?.slice(0, -1) ?? ''))).toBeUndefined();
  }
  expect(parseCheckpoint([...lines, lines.at(-1) ?? ''])).toBeUndefined();
});

test('takes no other format for its own', () => {
  expect(parseCheckpoint(lines.with(0, (lines[0] ?? '').replace(',1,', ',2,')))).toBeUndefined();
  for (const line of [
    '["x","a","m",1]',
    '["i","a","m",1]',
    '["i","a","m",1,"no hash",1,0,9]',
    `["i","a","m",1,"${digest}"]`,
    `["i","a","m",1,"${digest}",1,9,9]`,
    '["d","a","m"]',
    '["m","a","1"]',
    '[1]',
    '{}',
    'null',
  ]) {
    expect(parseCheckpoint(lines.with(1, line)), line).toBeUndefined();
  }
});

test('refuses to store what is not settled', () => {
  const unsettled = createReplayIndex();
  unsettled.apply(FIRST, { startBytes: 0, endBytes: 1, payload: payloads[4] ?? new Uint8Array() });
  expect(() => [...checkpointLines(unsettled, [], digest)]).toThrow(AssertionError);
});

test('fits where only its last segment has grown and newer ones have come', () => {
  const checkpoint = extentsOf([1, 100], [2, 50]);
  expect(checkpointFits(checkpoint, extentsOf([1, 100], [2, 50]))).toBe(true);
  expect(checkpointFits(checkpoint, extentsOf([2, 70], [1, 100]))).toBe(true);
  expect(checkpointFits(checkpoint, extentsOf([1, 100], [2, 50], [3, 1], [5, 1]))).toBe(true);
  expect(checkpointFits([], extentsOf([1, 100]))).toBe(true);
});

test('does not fit a log that changed before its end', () => {
  const checkpoint = extentsOf([2, 100], [4, 50]);
  expect(checkpointFits(checkpoint, extentsOf([2, 101], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 99], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100], [4, 49]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([1, 5], [2, 100], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100], [3, 5], [4, 50]))).toBe(false);
});

function extentsOf(...pairs: [segment: number, endBytes: number][]): Extent[] {
  return pairs.map(([segment, endBytes]) => ({ segment: segment as SegmentId, endBytes }));
}
