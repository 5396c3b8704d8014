import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { constants } from 'node:fs';
import { errnoOf, orUndefined, unlessAbsent } from './errno.ts';

/** Small files only: notes and markers. */
const FILE_SIZE_BYTES_MAX = 64 * 1024;

/**
 * Makes a folder and its parents, private to the owner, and durable. Twice: no-op. Not by mkdir's own
 * recursion, which calls a read-only file system ENOENT.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, 0o700);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return;
    if (errnoOf(error) !== 'ENOENT') throw error;
    await makeFolder(dirname(path));
    await orUndefined(mkdir(path, 0o700), ['EEXIST']);
  }
  await syncFolder(dirname(path));
}

/**
 * Writes a whole small file: after a crash there is the old one or the new one. `temporaryPath` lies on the
 * same file system; a folder at `path` fails the call with EISDIR.
 */
export async function writeFileDurably(path: string, text: string, options: { mode: number; temporaryPath: string }): Promise<void> {
  const handle = await open(options.temporaryPath, 'w', options.mode);
  try {
    await handle.writeFile(text);
    await handle.chmod(options.mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(options.temporaryPath, path);
  await syncFolder(dirname(path));
}

/** The text of a small file; undefined where it is absent; its first 64 KiB where it is longer. */
export async function readSmallFile(path: string): Promise<string | undefined> {
  const handle = await unlessAbsent(open(path, 'r'));
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FILE_SIZE_BYTES_MAX), 0, FILE_SIZE_BYTES_MAX, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}

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
