import { chown } from 'node:fs/promises';
import { errnoOf } from './errno.ts';

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
