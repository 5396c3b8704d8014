import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { syncFolder } from '../../../../src/io/files/durable.ts';

test.runIf(process.platform === 'linux')('a file system that can’t sync folders is said, and no failure', async () => {
  // There the call gives EINVAL, as it does on CIFS.
  expect(await syncFolder('/proc')).toBe(false);
  expect(await syncFolder(tmpdir())).toBe(true);
});

test('a folder that is missing or a file is a failure', async () => {
  await expect(syncFolder('/nowhere/folder')).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(syncFolder(import.meta.filename)).rejects.toMatchObject({ code: 'ENOTDIR' });
});
