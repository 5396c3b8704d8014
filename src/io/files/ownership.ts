import { chmod, chown, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, unlessAbsent } from './errno.ts';

/** Numeric owner and modes of a wal/ and of the files in it. */
export type Ownership = { uid: number; gid: number; folderMode: number; fileMode: number };

const MODE_BITS = 0o7777;

/** Undefined where the folder is missing; a file's mode is that of the first one, or the folder's without its x bits. */
export async function readOwnership(walDir: string): Promise<Ownership | undefined> {
  const folder = await unlessAbsent(stat(walDir));
  if (folder === undefined) return undefined;
  const [first] = (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();
  const file = first === undefined ? undefined : await unlessAbsent(stat(join(walDir, first)));
  const folderMode = folder.mode & MODE_BITS;
  const fileMode = file === undefined ? folderMode & 0o666 : file.mode & MODE_BITS;
  return { uid: folder.uid, gid: folder.gid, folderMode, fileMode };
}

/**
 * Gives a staged wal/ its modes and, when we are root, its owner, so that the server may write it. False where the owner
 * can't be had: in a rootless container most users don't exist. Twice: no-op.
 */
export async function applyOwnership(walDir: string, ownership: Ownership): Promise<boolean> {
  const { folderMode, fileMode } = ownership;
  let isKept = true;
  for (const name of await readdir(walDir)) {
    const path = join(walDir, name);
    if (!(await giveTo(path, ownership))) isKept = false;
    await chmod(path, fileMode);
  }
  if (!(await giveTo(walDir, ownership))) isKept = false;
  await chmod(walDir, folderMode);
  return isKept;
}

/** What a rootless container answers for a user that it doesn't have, and a disk that knows no owners. */
const UNSUPPORTED = ['EINVAL', 'EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/** Gives a path its owner when we are root. False where this process, though root, may not give it to that user. */
export async function giveTo(path: string, { uid, gid }: { uid: number; gid: number }): Promise<boolean> {
  if (process.getuid?.() !== 0) return true;
  try {
    await chown(path, uid, gid);
    return true;
  } catch (error) {
    if (!UNSUPPORTED.includes(errnoOf(error) ?? '')) throw error;
    return false;
  }
}
