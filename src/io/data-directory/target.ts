import { mkdir, readdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Ownership } from '../files/ownership.ts';
import { errnoOf } from '../files/errno.ts';
import { giveTo } from '../files/give-to.ts';
import { orUndefined, unlessAbsent } from '../files/system-error.ts';

/** Whether a restore may fill the path: it doesn't exist, or holds nothing but what an earlier attempt staged there. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  try {
    const names = await orUndefined(readdir(path), ['ENOENT']);
    return (names ?? []).every((name) => name === '.rstow');
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    throw new RstowError('target-not-empty', `${path} is a file`, { details: { path }, cause: error });
  }
}

/** Whether what lies there, or would, takes room on a disk: /proc and /sys have none. */
export async function isOnDisk(path: string): Promise<boolean> {
  const stats = await unlessAbsent(statfs(path));
  return stats === undefined ? isOnDisk(dirname(path)) : stats.blocks > 0;
}

/** Makes the data directory that a restore fills, owned as the lost one was if that can be had. Twice: no-op. */
export async function makeDataDirectory(dataDir: string, ownership: Ownership): Promise<void> {
  const made = await mkdir(dataDir, { recursive: true, mode: ownership.folderMode });
  if (made !== undefined) await giveTo(dataDir, ownership);
}
