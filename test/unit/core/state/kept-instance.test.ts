import fc from 'fast-check';
import { expect, test } from 'vitest';
import { idOfLine, type KeptInstance, keptLine, readKeptLine } from '../../../../src/core/state/kept-instance.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';

const HASH = 'ab'.repeat(32);
const name = fc.oneof(fc.string(), fc.constantFrom('', '",', 'with "quotes",', 'ü', '\\', '\n\u2028'));

const instances: fc.Arbitrary<KeptInstance> = fc
  .record({
    id: name,
    machine: name,
    version: fc.nat(),
    deleted: fc.boolean(),
    startBytes: fc.nat(),
    sizeBytes: fc.integer({ min: 1, max: 9999 }),
  })
  .map(({ startBytes, sizeBytes, ...named }) => {
    const last = { segment: 7 as SegmentId, startBytes, endBytes: startBytes + sizeBytes };
    return named.deleted ? { ...named, last: undefined, hash: undefined } : { ...named, last, hash: HASH };
  });

test('reads back what it wrote, on one line, with the id in front', () => {
  fc.assert(
    fc.property(instances, (instance) => {
      const line = keptLine(instance);
      expect(line).not.toContain('\n');
      expect(readKeptLine(line, new Map())).toEqual(instance);
      expect(idOfLine(line)).toBe(instance.id);
    }),
  );
});

test('takes no part of a line for one', () => {
  const line = keptLine({
    id: 'a',
    machine: 'm',
    version: 1,
    deleted: false,
    last: { segment: 1 as SegmentId, startBytes: 0, endBytes: 9 },
    hash: HASH,
  });
  for (let length = 0; length < line.length; length += 1) expect(readKeptLine(line.slice(0, length), new Map())).toBeUndefined();
});

test('takes no other line for its own', () => {
  for (const line of [
    '["a"]',
    '["a","m"]',
    '["a","m","1"]',
    '[1,"m",1]',
    '["a","m",1,"no hash",1,0,9]',
    `["a","m",1,"${HASH}"]`,
    `["a","m",1,"${HASH}",1,9,9]`,
    `["a","m",1,"${HASH}",-1,0,9]`,
    '{}',
    'null',
  ]) {
    expect(readKeptLine(line, new Map()), line).toBeUndefined();
  }
});
