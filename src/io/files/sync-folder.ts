import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { errnoOf } from './errno.ts';

/** What network disks (CIFS), FUSE and others answer that have no way to sync a folder. */
const UNSUPPORTED = ['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'ENOTTY'];

/**
 * Makes the names in a folder survive a crash of the host: a new file's own fsync does not cover its name. False where
 * its file system can't do that for folders: a name that was just made may be missing after a power cut.
 */
export async function syncFolder(path: string): Promise<boolean> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
    return true;
  } catch (error) {
    if (!UNSUPPORTED.includes(errnoOf(error) ?? '')) throw error;
    return false;
  } finally {
    await handle.close();
  }
}
