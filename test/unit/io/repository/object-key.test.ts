import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { join, normalize } from 'node:path';
import { isObjectKey } from '../../../../src/io/repository/object-key.ts';

describe('object keys', () => {
  it.each([
    'a',
    'A.b_c-9',
    'databases/orders/wal/0001/0000000000000001/0000000000-00000000ff.wal.zst.age',
    '.hidden/x',
    '...',
    'a/.tmp',
    '.tmpx',
    'x/'.repeat(255) + 'y',
  ])('takes %s', (key) => {
    expect(isObjectKey(key)).toBe(true);
  });
  it.each([
    '',
    '.',
    '..',
    'a/..',
    '../a',
    'a/./b',
    '/',
    '/a',
    'a/',
    'a//b',
    'a\\b',
    'a\nb',
    'a\n',
    'é',
    '%2e',
    '.tmp',
    '.tmp/a',
    'x'.repeat(256),
    'x/'.repeat(256) + 'y',
  ])('refuses %j', (key) => {
    expect(isObjectKey(key)).toBe(false);
  });
  it('never takes a text that leads out of its root or has a second spelling', () => {
    const part = fc.oneof(fc.constantFrom('.', '..', '', 'a', '.tmp', '~', '\0'), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        const key = parts.join('/');
        if (!isObjectKey(key)) return;
        expect(normalize(key)).toBe(key);
        expect(join('/base', key).startsWith('/base/')).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});
