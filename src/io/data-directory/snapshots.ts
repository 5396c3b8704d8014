import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { create } from 'tar';
import { unlessAbsent } from '../files/errno.ts';

/** Whether the server has written any snapshot; they are for rescue only, for it never reads them at its start. */
export async function hasSnapshots(dataDir: string): Promise<boolean> {
  const names = await unlessAbsent(readdir(join(dataDir, 'snapshots')));
  return names?.some((name) => name.endsWith('.snap')) ?? false;
}

/** The instances that the server's list of snapshots has; none if there is no list, or it is being written. */
export async function snapshottedInstances(dataDir: string): Promise<Set<string>> {
  try {
    return new Set(Object.keys(JSON.parse(await readFile(join(dataDir, 'snapshots', 'index.json'), 'utf8')) as object));
  } catch {
    return new Set();
  }
}

/**
 * The snapshots as a tar stream. `index.json` is left out: the server rewrites it in place, and it is torn more often
 * than not while the server compacts.
 */
export function packSnapshots(dataDir: string): Readable {
  const filter = (path: string): boolean => basename(path) !== 'index.json';
  return Readable.from(create({ cwd: dataDir, filter, portable: true }, ['snapshots']));
}
