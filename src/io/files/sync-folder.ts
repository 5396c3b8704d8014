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

type Sync = (folder: string) => Promise<boolean>;

/**
 * Those who ask for one folder while it is being synced share the next sync: it begins after all of them had made their
 * names. The one that runs may have begun too early for them.
 */
export function createSharedSync(sync: Sync): Sync {
  const running = new Map<string, Promise<unknown>>();
  const next = new Map<string, Promise<boolean>>();
  const begin = async (folder: string): Promise<boolean> => {
    // Also without one that runs this lets the caller go on first.
    await running.get(folder)?.catch(() => undefined);
    next.delete(folder);
    const syncing = sync(folder);
    running.set(folder, syncing);
    try {
      return await syncing;
    } finally {
      if (running.get(folder) === syncing) running.delete(folder);
    }
  };
  return (folder) => {
    const shared = next.get(folder) ?? begin(folder);
    next.set(folder, shared);
    return shared;
  };
}
