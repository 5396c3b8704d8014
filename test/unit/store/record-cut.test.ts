import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRecordCut, type PieceContent } from '../../../src/store/record-cut.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { BOUNDARIES } from '../activities/scene.ts';

const segment = goldenSegment();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Pushes chunk by chunk as a reader does, until more bytes can't matter. */
function cut(
  bytes: Uint8Array,
  cuts: readonly number[],
  range: { targetBytes: number; startBytes?: number },
): { passed: Buffer; content: PieceContent } {
  const { targetBytes, startBytes = 0 } = range;
  const recordCut = createRecordCut({ startBytes, targetBytes });
  const passed: Buffer[] = [];
  const ends = [...new Set([...cuts, bytes.length])].filter((end) => end <= bytes.length).sort((a, b) => a - b);
  let from = startBytes;
  for (const end of ends) {
    if (end <= from) continue;
    for (const part of recordCut.push(bytes.slice(from, end))) passed.push(Buffer.from(part));
    from = end;
    if (recordCut.isDecided()) break;
  }
  return { passed: Buffer.concat(passed), content: recordCut.content() };
}

const cuts = fc.uniqueArray(fc.nat({ max: segment.length }), { maxLength: 30 });

it('passes the records up to the first that ends at or past the target, however the bytes are cut', () => {
  fc.assert(
    fc.property(cuts, fc.integer({ min: 1, max: segment.length }), (positions, targetBytes) => {
      const { passed, content } = cut(segment, positions, { targetBytes });
      const endBytes = BOUNDARIES.find((boundary) => boundary >= targetBytes)!;
      expect(content).toMatchObject({ endBytes, records: BOUNDARIES.indexOf(endBytes), end: { kind: 'whole', positionBytes: endBytes } });
      expect(passed.equals(segment.subarray(0, endBytes))).toBe(true);
      expect(content.sha256).toBe(sha256(segment.subarray(0, endBytes)));
      expect(content.lastRecord.startBytes).toBe(BOUNDARIES[BOUNDARIES.indexOf(endBytes) - 1]);
    }),
    { numRuns: 300 },
  );
});

it('counts positions from where its piece begins', () => {
  const startBytes = BOUNDARIES[5]!;
  const { passed, content } = cut(segment, [startBytes + 3], { targetBytes: BOUNDARIES[9]!, startBytes });
  expect(content).toMatchObject({ endBytes: BOUNDARIES[9], records: 4 });
  expect(passed.equals(segment.subarray(startBytes, BOUNDARIES[9]))).toBe(true);
});

describe('where the bytes end before the target', () => {
  const tails: [string, Uint8Array, string][] = [
    ['torn', segment.subarray(0, 30), 'torn'],
    ['zeros', new Uint8Array(100), 'zeros'],
    ['corrupt', new Uint8Array(100).fill(0x20), 'corrupt'],
  ];

  it.each(tails)('passes no byte of a %s end, however the bytes are cut', (_what, tail, kind) => {
    const bytes = new Uint8Array(Buffer.concat([segment, tail]));
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: bytes.length }), { maxLength: 20 }), (positions) => {
        const { passed, content } = cut(bytes, positions, { targetBytes: bytes.length });
        expect(content).toMatchObject({ endBytes: segment.length, records: BOUNDARIES.length - 1 });
        expect(content.end).toMatchObject({ kind, positionBytes: segment.length });
        expect(passed.equals(segment)).toBe(true);
      }),
    );
  });

  it('holds nothing where there is not one whole record', () => {
    const { passed, content } = cut(segment.slice(0, 10), [4], { targetBytes: 10 });
    expect(content).toMatchObject({ endBytes: 0, records: 0, sha256: sha256(new Uint8Array(0)), end: { kind: 'torn', positionBytes: 0 } });
    expect(passed).toHaveLength(0);
  });
});

it('waits for more bytes while a record is torn, and for none once bytes are corrupt', () => {
  const torn = createRecordCut({ startBytes: 0, targetBytes: 10 });
  torn.push(segment.slice(0, 20));
  expect(torn.isDecided()).toBe(false);
  torn.push(segment.slice(20, BOUNDARIES[1]));
  expect(torn.isDecided()).toBe(true);
  const corrupt = createRecordCut({ startBytes: 0, targetBytes: 1000 });
  corrupt.push(new Uint8Array(30).fill(0x20));
  expect(corrupt.isDecided()).toBe(true);
});
