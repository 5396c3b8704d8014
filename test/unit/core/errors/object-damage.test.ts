import { expect, it } from 'vitest';
import { type ErrorCode, errorTable, isObjectDamage } from '../../../../src/core/errors/error-table.ts';

it('takes an object that is gone, cut short, changed or another’s for damage, and no other failure', () => {
  const codes = Object.keys(errorTable) as ErrorCode[];
  expect(codes.filter(isObjectDamage)).toEqual(['damaged-object', 'missing-object', 'truncated-object', 'untrusted-object']);
});

it.each([undefined, null, '', 'object', 'constructor'])('does not take %s for damage', (code) => {
  expect(isObjectDamage(code)).toBe(false);
});
