import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson } from '../../../../src/core/json/canonical-json.ts';
import { createStateDigest, EMPTY_DIGEST, instanceHash, isStateHash, machineHash } from '../../../../src/core/state/state-digest.ts';
import { sha256 } from '../../../fixtures/wal/replay.ts';

const hashes = fc.array(
  fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }).map((value) => value.toString(16).padStart(64, '0')),
  { maxLength: 20 },
);

test('is the sum modulo 2^256 of what was added less what was subtracted', () => {
  fc.assert(
    fc.property(hashes, hashes, (added, subtracted) => {
      const digest = createStateDigest();
      for (const hash of added) digest.add(hash);
      for (const hash of subtracted) digest.subtract(hash);
      const total = sum(added) - sum(subtracted);
      expect(digest.hex()).toBe(BigInt.asUintN(256, total).toString(16).padStart(64, '0'));
    }),
  );
});

test('goes on from an earlier digest, and comes back to nothing', () => {
  fc.assert(
    fc.property(hashes, (added) => {
      const digest = createStateDigest();
      for (const hash of added) digest.add(hash);
      const later = createStateDigest(digest.hex());
      for (const hash of added.toReversed()) later.subtract(hash);
      expect(later.hex()).toBe(EMPTY_DIGEST);
    }),
  );
});

test('hashes a machine and an instance as sha256 of one JSON list', () => {
  const definition = canonicalJson('{"initial":"a"}');
  expect(machineHash({ name: 'größe "x"', version: 2, definition }, sha256)).toBe(sha256(['["m","größe \\"x\\"",2,{"initial":"a"}]']));
  const instance = { id: 'i\n', machine: 'm', version: 1, state: 's', ctx: canonicalJson('{"n":1.0}') };
  expect(instanceHash(instance, sha256)).toBe(sha256(['["i","i\\n","m",1,"s",{"n":1.0}]']));
});

test('knows a state hash when it sees one', () => {
  expect(isStateHash(EMPTY_DIGEST)).toBe(true);
  for (const other of ['', 'A'.repeat(64), '0'.repeat(63), 1, undefined]) expect(isStateHash(other)).toBe(false);
});

function sum(values: readonly string[]): bigint {
  return values.reduce((total, hash) => total + BigInt(`0x${hash}`), 0n);
}
