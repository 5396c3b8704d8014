import { describe, expect, it } from 'vitest';
import { planSegment, type PromisedRange } from '../../../../src/core/backup/segment-plan.ts';
import { pieceOf, SEGMENT } from '../repository/some-pieces.ts';

const range = (startBytes: number, endBytes: number, timeline = '0001'): PromisedRange => ({
  timeline,
  startBytes,
  endBytes,
  sha256: 'ab'.repeat(32),
  records: 1,
});

const plan = (ranges: PromisedRange[], ...stored: ReturnType<typeof pieceOf>[]) =>
  planSegment({ database: 'orders', suffix: '.zst' }, { segment: SEGMENT, ranges }, stored);

it('reads each range from its own piece', () => {
  const planned = plan([range(0, 10), range(10, 30)], pieceOf(0, 10), pieceOf(10, 30));
  expect(planned.slices).toEqual([
    { key: pieceOf(0, 10).key, skipBytes: 0, takeBytes: 10 },
    { key: pieceOf(10, 30).key, skipBytes: 0, takeBytes: 20 },
  ]);
  expect(planned.endBytes).toBe(30);
  expect(planned.ranges.map(({ endBytes }) => endBytes)).toEqual([10, 30]);
});

it('opens a merged piece once for the ranges that it replaces, and still checks each', () => {
  const planned = plan([range(0, 10), range(10, 30)], pieceOf(0, 30));
  expect(planned.slices).toEqual([{ key: pieceOf(0, 30).key, skipBytes: 0, takeBytes: 30 }]);
  expect(planned.ranges).toHaveLength(2);
});

it('never reads a range from another timeline’s piece', () => {
  const child = pieceOf(10, 30, { timeline: '0002' });
  const planned = plan([range(0, 10), range(10, 30, '0002')], pieceOf(0, 40), child);
  expect(planned.slices.map(({ key, takeBytes }) => [key, takeBytes])).toEqual([
    [pieceOf(0, 40).key, 10],
    [child.key, 20],
  ]);
});

describe('a damaged backup', () => {
  it('names the piece that is missing', () => {
    expect(() => plan([range(0, 10), range(10, 30)], pieceOf(0, 10))).toThrow(
      expect.objectContaining({ code: 'missing-object', details: { key: pieceOf(10, 30).key, positionBytes: 10 } }),
    );
  });

  it('names the piece that holds the byte which none covers', () => {
    expect(() => plan([range(0, 10), range(10, 30), range(30, 40)], pieceOf(0, 20), pieceOf(30, 40))).toThrow(
      expect.objectContaining({ details: { key: pieceOf(10, 30).key, positionBytes: 20 } }),
    );
  });

  it.each([
    ['begin behind byte 0', [range(5, 10)]],
    ['leave a hole', [range(0, 10), range(11, 20)]],
    ['overlap', [range(0, 10), range(9, 20)]],
    ['are empty', [range(0, 0)]],
    ['run backwards', [range(0, 10), range(10, 5)]],
  ])('refuses ranges that %s', (_what, ranges) => {
    expect(() => plan(ranges, pieceOf(0, 100))).toThrow(expect.objectContaining({ code: 'damaged-object' }));
  });
});
