import { chown, mkdir, readdir } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Ownership } from './ownership.ts';
import { errnoOf, orUndefined } from './system-error.ts';

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

/** Makes the data directory that a restore fills, owned as the lost one was. Twice: no-op. */
export async function makeDataDirectory(dataDir: string, { uid, gid, folderMode }: Ownership): Promise<void> {
  const made = await mkdir(dataDir, { recursive: true, mode: folderMode });
  if (made !== undefined && process.getuid?.() === 0) await chown(dataDir, uid, gid);
}
