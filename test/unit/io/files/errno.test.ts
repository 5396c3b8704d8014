import { expect, test } from 'vitest';
import { errnoOf, isUnreadable, systemMessage } from '../../../../src/io/files/errno.ts';

/** As Node makes them for a number that it has no name for. */
const nameless = (errno: number): Error =>
  Object.assign(new Error(`Unknown system error -${errno}: Unknown system error -${errno}, open '/disk/file'`), {
    ...{ errno: -errno, code: `Unknown system error -${errno}`, syscall: 'open', path: '/disk/file' },
  });

test.each([
  [116, 'ESTALE', 'stale file handle'],
  [117, 'EUCLEAN', 'the file system is damaged'],
  [122, 'EDQUOT', 'disk quota exceeded'],
  [126, 'ENOKEY', 'the encryption key is not available'],
])('names error %i, for which Node has no name', (errno, name, text) => {
  expect(errnoOf(nameless(errno))).toBe(name);
  expect(systemMessage(nameless(errno))).toBe(`${name}: ${text}, open '/disk/file'`);
});

test('names no error that the system did not give, and leaves the names that Node has', () => {
  expect(errnoOf(Object.assign(new Error('no such file'), { errno: -2, code: 'ENOENT', syscall: 'open' }))).toBe('ENOENT');
  expect(errnoOf(Object.assign(new Error('a foreign error'), { code: 'ENOENT' }))).toBeUndefined();
  expect(systemMessage(new Error('as it is'))).toBe('as it is');
});

test('a bad checksum and a damaged file system are as unreadable as a bad sector, a full disk is not', () => {
  expect([74, 117, 133].map((errno) => isUnreadable(nameless(errno)))).toEqual([true, true, true]);
  expect(isUnreadable(nameless(122))).toBe(false);
});
