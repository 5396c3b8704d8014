import { mkdir, realpath, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkDataDirectory } from '../../../../src/io/data-directory/restore-target.ts';
import { scratchFolder } from './scratch-folder.ts';

it('calls a data directory with its own wal/ ordinary, and names it without symlinks', async () => {
  const folder = await scratchFolder();
  await mkdir(join(folder, 'data', 'wal'), { recursive: true });
  await symlink('data', join(folder, 'link'));
  expect(await checkDataDirectory(join(folder, 'link'))).toEqual({ kind: 'ordinary', dataDir: await realpath(join(folder, 'data')) });
});

it('calls a data directory without wal/ ordinary: there is nothing in the way of a new one', async () => {
  const folder = await scratchFolder();
  expect(await checkDataDirectory(folder)).toMatchObject({ kind: 'ordinary' });
});

it('calls a path that does not exist missing', async () => {
  expect(await checkDataDirectory(join(await scratchFolder(), 'nothing'))).toEqual({ kind: 'missing' });
});

it.each(['wal', '.rstow'])('refuses a swap where %s is a symlink', async (name) => {
  const folder = await realpath(await scratchFolder());
  await mkdir(join(folder, 'data'));
  await mkdir(join(folder, 'elsewhere'));
  await symlink(join(folder, 'elsewhere'), join(folder, 'data', name));
  const path = join(folder, 'data', name);
  expect(await checkDataDirectory(join(folder, 'data'))).toMatchObject({ kind: 'wal-unsupported', why: 'symlink', path });
});

it('fails where the data directory is a file', async () => {
  const path = join(await scratchFolder(), 'file');
  await writeFile(path, '');
  await expect(checkDataDirectory(path)).rejects.toMatchObject({ code: 'data-directory-unsupported' });
});
