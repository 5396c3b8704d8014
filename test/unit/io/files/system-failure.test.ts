import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { systemFailure } from '../../../../src/io/files/errno.ts';

const failed = (errno: number): Error => Object.assign(new Error('write'), { errno: -errno, syscall: 'write', path: '/disk/file' });

test.each([
  { what: 'a full disk', errno: constants.errno.ENOSPC, code: 'not-enough-space', says: 'no space is left to write /disk/file' },
  { what: 'a used-up quota', errno: constants.errno.EDQUOT, code: 'not-enough-space', says: 'the disk quota is used up' },
  { what: 'no descriptor left', errno: constants.errno.EMFILE, code: 'open-files-exhausted', says: 'the agent’s limit is ' },
])('$what has a code of its own, which is not tried again for hours', ({ errno, code, says }) => {
  expect(systemFailure(failed(errno))).toMatchObject({ code, message: expect.stringContaining(says) as string });
});

test('leaves alone what may pass, and what the system never said', () => {
  expect(systemFailure(failed(constants.errno.EIO))).toBeUndefined();
  expect(systemFailure(new Error('ENOSPC'))).toBeUndefined();
});
