import fc from 'fast-check';
import { expect, it } from 'vitest';
import { nearestName } from '../../../../src/core/text/nearest-name.ts';

const known = ['hotBackup', 'verifyBackup', 'restore', 'listBackups'];

it.each([
  ['hotbackup', 'hotBackup'],
  ['hotBakcup', 'hotBackup'],
  ['restor', 'restore'],
  ['listBackup', 'listBackups'],
  ['verify-backup', 'verifyBackup'],
])('takes %s for %s', (misspelt, meant) => {
  expect(nearestName(misspelt, known)).toBe(meant);
});

it.each(['', 'x', 'deleteEverything'])('takes %j for nothing that it knows', (misspelt) => {
  expect(nearestName(misspelt, known)).toBeUndefined();
});

it('knows no name where there is none', () => {
  expect(nearestName('a', [])).toBeUndefined();
});

it('finds a name after any single slip', () => {
  fc.assert(
    fc.property(fc.constantFrom(...known), fc.nat({ max: 20 }), fc.constantFrom('', 'x', 'xy'), (name, at, instead) => {
      const index = at % name.length;
      expect(nearestName(name.slice(0, index) + instead + name.slice(index + 1), known)).toBe(name);
    }),
  );
});
