import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errno.ts';
import { syncFolder } from './sync-folder.ts';
import { orUndefined, unlessAbsent } from './system-error.ts';

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
