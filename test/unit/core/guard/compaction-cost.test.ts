import { expect, it } from 'vitest';
import { compactionCost } from '../../../../src/core/guard/compaction-cost.ts';

/** Instances, and what was measured of a real server: bytes written and seconds of a processor. */
it.each([
  [1_000, 112e6, 0.4],
  [2_000, 451e6, 2.1],
  [4_000, 1_806e6, 6.7],
  [10_000, 11_294e6, 43.9],
])('a COMPACT of %i instances without a snapshot costs what was measured', (lacking, bytes, seconds) => {
  const { writtenBytes, processorSeconds } = compactionCost({ lacking, there: 0 });
  expect(writtenBytes / bytes).toBeCloseTo(1, 1);
  expect(Math.abs(processorSeconds - seconds)).toBeLessThan(1.5);
});

it('is too large from some thousand instances on, and never if none lacks a snapshot', () => {
  expect(compactionCost({ lacking: 4_000, there: 0 }).isTooLarge).toBe(false);
  expect(compactionCost({ lacking: 5_000, there: 0 }).isTooLarge).toBe(true);
  expect(compactionCost({ lacking: 100, there: 100_000 }).isTooLarge).toBe(true);
  expect(compactionCost({ lacking: 0, there: 1_000_000 })).toEqual({
    snapshots: 0,
    writtenBytes: 0,
    processorSeconds: 0,
    isTooLarge: false,
  });
});
