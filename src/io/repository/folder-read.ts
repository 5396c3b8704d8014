import { type FileHandle, lstat, readdir } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { ByteRange, KeysOptions, ListedObject } from './port.ts';
import { errnoOf } from '../files/errno.ts';
import { hasParents, notOrdinary } from './folder-tree.ts';
import { isKeyIn } from './object-key.ts';

/** Measured: four times less work a byte than the 64 KiB of Node's own file streams. */
const BLOCK_SIZE_BYTES = 256 * 1024;

/** The whole file. Fails: damaged-object (larger than sizeBytesMax, which no object of its kind is). */
export async function readWhole(handle: FileHandle, key: string, sizeBytesMax: number): Promise<Uint8Array> {
  const { size } = await handle.stat();
  if (size > sizeBytesMax) {
    const sentence = `${key} has ${size} bytes; at most ${sizeBytesMax} were expected`;
    throw new RstowError('damaged-object', sentence, { details: { key, sizeBytes: size } });
  }
  return handle.readFile();
}

type Reading = { range?: ByteRange | undefined; mapError: (error: unknown) => Error };

/** Owns the handle from now on. Node's own stream is not used because its errors could not be mapped. */
export function readableOf(handle: FileHandle, { range, mapError }: Reading): Readable {
  const { startBytes, endBytes } = range ?? { startBytes: 0, endBytes: Number.POSITIVE_INFINITY };
  let positionBytes = startBytes;
  return new Readable({
    highWaterMark: BLOCK_SIZE_BYTES,
    read() {
      const wantedBytes = Math.min(BLOCK_SIZE_BYTES, endBytes - positionBytes);
      const block = Buffer.allocUnsafeSlow(wantedBytes);
      handle.read(block, 0, wantedBytes, positionBytes).then(
        ({ bytesRead }) => {
          positionBytes += bytesRead;
          this.push(bytesRead === 0 ? null : block.subarray(0, bytesRead));
        },
        (error: unknown) => this.destroy(mapError(error)),
      );
    },
    destroy(error, callback) {
      handle.close().then(
        () => callback(error),
        (closeError: unknown) => callback(error ?? mapError(closeError)),
      );
    },
  });
}

/** Calls at once within one listing: hides the latency of network disks, and leaves the process's threads to others. */
const CALLS_AT_ONCE = 4;

/** What a reader that stops early may have caused in vain. */
const PAGE_KEYS_MAX = 1000;

type Wanted = KeysOptions & { prefix: string };

/** The keys in pages, sorted. Its memory is that of the names of the widest folder. */
export async function* listKeys(root: string, wanted: Wanted): AsyncGenerator<string[]> {
  const base = wanted.prefix.slice(0, wanted.prefix.lastIndexOf('/') + 1);
  if (!(await hasParents(root, `${base}x`))) return;
  if (wanted.folded === true) yield await keysIn(root, base, wanted);
  else yield* walk(root, base, wanted);
}

/** The objects with what takes a call for each of them. One that was deleted meanwhile is left out. */
export async function* listObjects(root: string, wanted: Wanted): AsyncGenerator<ListedObject> {
  for await (const page of listKeys(root, wanted)) {
    for (let first = 0; first < page.length; first += CALLS_AT_ONCE) {
      const some = await Promise.all(page.slice(first, first + CALLS_AT_ONCE).map((key) => objectAt(root, key)));
      for (const object of some) {
        wanted.signal?.throwIfAborted();
        if (object !== undefined) yield object;
      }
    }
  }
}

/** The folders that come next and have nothing between them are read side by side. */
async function* walk(root: string, base: string, wanted: Wanted): AsyncGenerator<string[]> {
  // The next one is the last, so that what a folder holds takes its place.
  const next = [base];
  while (next.length > 0) {
    wanted.signal?.throwIfAborted();
    const folders = takeWhile(next, isFolder, CALLS_AT_ONCE);
    const contents = await Promise.all(folders.map((folder) => keysIn(root, folder, wanted)));
    for (const keys of contents.reverse()) for (const key of keys.reverse()) next.push(key);
    const page = takeWhile(next, (key) => !isFolder(key), PAGE_KEYS_MAX);
    if (page.length > 0) yield page;
  }
}

/** From the end of the list. */
function takeWhile(list: string[], isTaken: (key: string) => boolean, max: number): string[] {
  const taken: string[] = [];
  for (let last = list.at(-1); last !== undefined && isTaken(last) && taken.length < max; last = list.at(-1)) {
    taken.push(last);
    list.pop();
  }
  return taken;
}

const isFolder = (key: string): boolean => key === '' || key.endsWith('/');

/**
 * A folder's key ends with `/`, which also sorts it where its objects belong: `a.json` comes before `a/b`, though `a` is
 * before `a.json`. Names that can't be keys (`lost+found`, the staging folder) are no objects. A link is refused, not
 * skipped: skipping would hide objects.
 */
async function keysIn(root: string, folder: string, wanted: Wanted): Promise<string[]> {
  const keys: string[] = [];
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    if (!isKeyIn(folder, entry.name)) continue;
    const key = folder + entry.name;
    if (!key.startsWith(wanted.prefix)) continue;
    const listed = entry.isDirectory() ? `${key}/` : key;
    if (!isAfter(listed, wanted)) continue;
    requireOrdinary(root, key, entry);
    keys.push(listed);
  }
  return keys.sort();
}

/** A folder counts for what lies in it, unless it stands for that. */
function isAfter(key: string, { startAfter, folded }: Wanted): boolean {
  if (startAfter === undefined || key > startAfter) return true;
  return folded !== true && key.endsWith('/') && startAfter.startsWith(key);
}

function requireOrdinary(root: string, key: string, entry: Dirent): void {
  if (!entry.isFile() && !entry.isDirectory()) throw notOrdinary(join(root, key));
}

async function objectAt(root: string, key: string): Promise<ListedObject | undefined> {
  try {
    const { size, mtimeMs } = await lstat(join(root, key));
    return { key, sizeBytes: size, modifiedAtMs: Math.floor(mtimeMs) };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
