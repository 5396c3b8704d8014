import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** An agent writes them to a repository some seconds after a run's end. */
const RECORDS_OF_RUNS = /(^|\/)databases\/[^/]+\/runs(\/|$)/;

/** Every path below the folder with its content's hash; two equal maps mean that nothing was touched. Records of ended runs are left out. */
export async function folderHashes(folder: string): Promise<Map<string, string>> {
  const hashes = new Map<string, string>();
  for (const path of await pathsBelow(folder)) if (!RECORDS_OF_RUNS.test(path)) hashes.set(relative(folder, path), await hashOf(path));
  return hashes;
}

/** All files below the folder, links too, but not folders. Empty where there is no such folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const paths = await pathsBelow(folder);
  const stats = await Promise.all(paths.map((path) => lstat(path)));
  return paths.filter((_path, index) => !stats[index]!.isDirectory());
}

async function pathsBelow(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { recursive: true })).sort().map((name) => join(folder, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function hashOf(path: string): Promise<string> {
  const stats = await lstat(path);
  if (stats.isDirectory()) return 'folder';
  if (stats.isSymbolicLink()) return `link to ${await readlink(path)}`;
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
