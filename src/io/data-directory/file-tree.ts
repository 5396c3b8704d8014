import { constants, copyFile, link, lstat, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import { dirname, join, normalize, sep } from 'node:path';
import { assert } from '../../core/errors/rstow-error.ts';
import { syncFolder } from '../files/durable.ts';
import { rstowFolder } from './rstow-folder.ts';
import { errnoOf, forbidsLinks, unlessAbsent, writeFailure } from '../files/errno.ts';

type Entry = { path: string; kind: 'file' | 'folder' };

/** So many files are synced side by side: the disk does them together. */
const SYNCS_AT_ONCE = 16;

/** Makes every file and folder of a tree durable. False where the disk can't do that for folders. Twice: no-op. */
export async function fsyncTree(tree: string): Promise<boolean> {
  const folders: string[] = [];
  let files: string[] = [];
  for await (const { path, kind } of walkTree(tree)) {
    if (kind === 'folder') folders.push(path);
    else files.push(path);
    if (files.length < SYNCS_AT_ONCE) continue;
    await Promise.all(files.map(fsyncFile));
    files = [];
  }
  await Promise.all(files.map(fsyncFile));
  let isDurable = true;
  for (const folder of folders) if (!(await syncFolder(folder))) isDurable = false;
  return isDurable;
}

/**
 * Repeats a tree with hard links, so that a rehearsal costs no space; with copies where the disk permits no links.
 * Fails: not-enough-space. Twice: no-op; copies want those of the first time removed.
 */
export async function repeatTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const source = join(from, entry.name);
    const target = join(to, entry.name);
    if (entry.isDirectory()) await repeatTree(source, target);
    else await linkOrCopy(source, target);
  }
}

/** Removes a tree; asserts that it lies below `<data>/.rstow`, also when symlinks are followed. Twice: no-op. */
export async function removeTree(dataDir: string, path: string): Promise<void> {
  assertBelow(rstowFolder(dataDir), path);
  const parent = await unlessAbsent(realpath(dirname(path)));
  if (parent === undefined) return;
  assertBelow(rstowFolder(await realpath(dataDir)), join(parent, 'entry'));
  await rm(path, { recursive: true, force: true });
  await syncFolder(parent);
}

/** Files before the folder that names them; anything that is neither is left alone. */
export async function* walkTree(path: string): AsyncGenerator<Entry, void, undefined> {
  const stats = await lstat(path);
  if (stats.isDirectory()) {
    for (const name of await readdir(path)) yield* walkTree(join(path, name));
    yield { path, kind: 'folder' };
  } else if (stats.isFile()) {
    yield { path, kind: 'file' };
  }
}

async function fsyncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Gives a file a second name; a copy where the disk permits no links. Fails: not-enough-space. Twice: no-op, but for copies. */
export async function linkOrCopy(source: string, target: string): Promise<void> {
  try {
    await link(source, target);
  } catch (error) {
    if (forbidsLinks(error)) return copyNew(source, target);
    if (errnoOf(error) !== 'EEXIST') throw error;
    const [there, wanted] = await Promise.all([lstat(target, { bigint: true }), lstat(source, { bigint: true })]);
    assert(there.ino === wanted.ino, `${target} is a link to ${source}`);
  }
}

async function copyNew(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL);
  } catch (error) {
    throw writeFailure(error, target);
  }
}

function assertBelow(folder: string, path: string): void {
  assert(normalize(path) === path && path.startsWith(folder + sep) && !path.endsWith(sep), `${path} lies below ${folder}`);
}

/** Names, sizes and modification times of a folder's files: equal stamps mean that nobody wrote in between. */
export async function treeStamp(folder: string): Promise<string> {
  const lines: string[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const { size, mtimeNs } = await stat(join(folder, name), { bigint: true });
    lines.push(`${name} ${size} ${mtimeNs}`);
  }
  return lines.join('\n');
}
