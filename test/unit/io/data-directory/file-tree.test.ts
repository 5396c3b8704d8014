import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fsyncTree, removeTree, repeatTree } from '../../../../src/io/data-directory/file-tree.ts';
import { scratchFolder } from './scratch-folder.ts';

async function tree(): Promise<string> {
  const folder = await scratchFolder();
  await mkdir(join(folder, 'from', 'wal'), { recursive: true, mode: 0o700 });
  await writeFile(join(folder, 'from', 'wal', 'file'), 'bytes', { mode: 0o600 });
  return folder;
}

it('repeats a tree as links to the same files, also when it runs twice', async () => {
  const folder = await tree();
  await repeatTree(join(folder, 'from'), join(folder, 'to'));
  await repeatTree(join(folder, 'from'), join(folder, 'to'));
  const [from, to] = await Promise.all([stat(join(folder, 'from/wal/file')), stat(join(folder, 'to/wal/file'))]);
  expect(to.ino).toBe(from.ino);
});

it('never takes another file for its link', async () => {
  const folder = await tree();
  await mkdir(join(folder, 'to', 'wal'), { recursive: true });
  await writeFile(join(folder, 'to', 'wal', 'file'), 'other');
  await expect(repeatTree(join(folder, 'from'), join(folder, 'to'))).rejects.toThrow('is a link to');
});

it('makes a whole tree durable and fails where it is missing', async () => {
  const folder = await tree();
  await fsyncTree(join(folder, 'from'));
  await expect(fsyncTree(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('removes a tree below .rstow, also when it runs twice', async () => {
  const dataDir = await scratchFolder();
  const path = join(dataDir, '.rstow', 'restores', 'run');
  await mkdir(join(path, 'wal'), { recursive: true });
  await removeTree(dataDir, path);
  await removeTree(dataDir, path);
  await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

it.each(['', 'wal', '.rstow', '.rstow/', '.rstow/../wal', '.rstow-not/x', '.rstow/restores/run/'])(
  'refuses to remove <data>/%s',
  async (name) => {
    const dataDir = await scratchFolder();
    await expect(removeTree(dataDir, `${dataDir}/${name}`)).rejects.toThrow('lies below');
  },
);

it('refuses to follow a symlink out of .rstow, and removes a symlink itself only', async () => {
  const folder = await scratchFolder();
  const dataDir = join(folder, 'data');
  await mkdir(join(folder, 'outside', 'sub'), { recursive: true });
  await writeFile(join(folder, 'outside', 'sub', 'file'), 'bytes');
  await mkdir(join(dataDir, '.rstow'), { recursive: true });
  await symlink(join(folder, 'outside'), join(dataDir, '.rstow', 'link'));
  await expect(removeTree(dataDir, join(dataDir, '.rstow', 'link', 'sub'))).rejects.toThrow('lies below');
  await removeTree(dataDir, join(dataDir, '.rstow', 'link'));
  expect(await readFile(join(folder, 'outside', 'sub', 'file'), 'utf8')).toBe('bytes');
});
