import fc from 'fast-check';
import { expect, it } from 'vitest';
import { chooseLabel, choosePosition } from '../../../../src/core/backup/selection.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const SEEDS = Array.from({ length: 2000 }, (_, seed) => seed);
const anySeed = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const anyExtents = fc
  .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 })
  .chain((ids) =>
    fc.tuple(...ids.sort((one, other) => one - other).map((id) => fc.tuple(fc.constant(id), fc.integer({ min: 1, max: 500 })))),
  )
  .map((segments) => segments.map(([id, endBytes]) => ({ segment: id as SegmentId, endBytes })));

it('chooses a position within the log, and the same one again from its seed', () => {
  fc.assert(
    fc.property(anyExtents, anySeed, (extents, seed) => {
      const chosen = choosePosition(extents, seed);
      const within = extents.find(({ segment }) => segment === chosen.segment);
      expect(chosen.positionBytes).toBeGreaterThan(0);
      expect(chosen.positionBytes).toBeLessThanOrEqual(within?.endBytes ?? 0);
      expect(choosePosition(extents, seed)).toEqual(chosen);
    }),
  );
});

it('spreads its positions evenly over the bytes of all segments, the last one too', () => {
  const extents = [1, 2, 3].map((id) => ({ segment: id as SegmentId, endBytes: id * 10 }));
  const hits = new Map<string, number>();
  for (const seed of SEEDS) {
    const { segment, positionBytes } = choosePosition(extents, seed);
    const byte = `${segment}:${positionBytes}`;
    hits.set(byte, (hits.get(byte) ?? 0) + 1);
  }
  // Each of the 60 bytes is expected 33 times.
  expect(hits.size).toBe(60);
  expect(Math.max(...hits.values())).toBeLessThan(66);
});

it('chooses each of the labels about as often', () => {
  const labels = ['oldest', 'older', 'newer', 'newest'];
  const shares = labels.map((label) => SEEDS.filter((seed) => chooseLabel(labels, seed) === label).length / SEEDS.length);
  for (const share of shares) expect(share).toBeCloseTo(0.25, 1);
});

it('chooses a position whatever label the same seed has chosen', () => {
  const halves = [1, 2].map((id) => ({ segment: id as SegmentId, endBytes: 1000 }));
  const late = SEEDS.filter((seed) => chooseLabel(['older', 'newer'], seed) === 'newer');
  const inLastHalf = late.filter((seed) => choosePosition(halves, seed).segment === 2).length / late.length;
  expect(inLastHalf).toBeCloseTo(0.5, 1);
});
