import { randomUUID } from 'node:crypto';
import { link, lstat, mkdir, open, readdir, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf } from '../files/errno.ts';
import { kindOf, notOrdinary, type FolderTree } from './folder-tree.ts';
import { assertObjectKey, STAGING_FOLDER_NAME } from './object-key.ts';
import type { StagedObject } from './port.ts';

/** Lets the source go on while a block is written. */
const SINK_BUFFER_BYTES = 1024 * 1024;

/** Longer than a put can pause and still be alive: its file changes while it is written. */
const LEFTOVER_AGE_MS = 24 * 60 * 60 * 1000;

const LINKS_MISSING = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK']);

/** What a disk answers that can be read but not written now. */
const NOT_WRITABLE = new Set(['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT']);

/** A read-only or full disk opens all the same: backups must be readable from it. A write then reports what is wrong. */
export async function prepareIfWritable(root: string): Promise<void> {
  try {
    await prepareStaging(root);
  } catch (error) {
    if (!NOT_WRITABLE.has(errnoOf(error) ?? '')) throw error;
  }
}

/** The order is the promise: bytes synced, then the name linked, then the folder synced. The errors are the system's own. */
export async function stageFile(tree: FolderTree, mapError: (error: unknown) => Error): Promise<StagedObject> {
  const { path, handle } = await openStagingFile(tree);
  const sink = writableOf(handle, mapError);
  return {
    sink,
    takes: () => true,
    async commit(key) {
      assertObjectKey(key);
      assert(sink.writableFinished, 'a staged object is committed after its sink has finished');
      const target = await tree.makeParents(key);
      const outcome = await linkIfAbsent(path, target);
      await tree.sync(dirname(target));
      if (outcome === 'stored') await rm(path, { force: true });
      return outcome;
    },
    async discard() {
      await close(sink);
      await rm(path, { force: true });
    },
  };
}

function writableOf(handle: FileHandle, mapError: (error: unknown) => Error): Writable {
  return new Writable({
    highWaterMark: SINK_BUFFER_BYTES,
    write(chunk: Buffer, _encoding, callback) {
      // Not handle.write, which may write a part only.
      handle.writeFile(chunk).then(
        () => callback(),
        (error: unknown) => callback(mapError(error)),
      );
    },
    final(callback) {
      handle.sync().then(
        () => callback(),
        (error: unknown) => callback(mapError(error)),
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

/** A name that exists was linked after its bytes were synced, so it is as good as ours. */
async function linkIfAbsent(path: string, target: string): Promise<'stored' | 'exists'> {
  try {
    await link(path, target);
    return 'stored';
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if ((await kindOf(target)) !== 'file') throw notOrdinary(target);
    // Over NFS a link whose answer was lost is sent again and then meets itself.
    return (await lstat(path)).nlink === 2 ? 'stored' : 'exists';
  }
}

async function close(sink: Writable): Promise<void> {
  if (sink.closed) return;
  await new Promise<void>((resolve) => {
    sink.once('close', resolve);
    sink.destroy();
  });
}

/**
 * Makes `<root>/.tmp`, proves that hard links work there and clears what dead processes left.
 * Fails: repository-unsupported. Twice: no-op.
 */
async function prepareStaging(root: string): Promise<void> {
  const staging = join(root, STAGING_FOLDER_NAME);
  await makeStagingFolder(staging);
  await probeLinks(staging);
  await sweepLeftovers(staging);
}

/** An empty file of its own. The folder may be missing: the disk could not be written when it was opened, or somebody has emptied it. */
async function openStagingFile(tree: FolderTree): Promise<{ path: string; handle: FileHandle }> {
  const path = join(tree.root, STAGING_FOLDER_NAME, randomUUID());
  try {
    return { path, handle: await open(path, 'wx', 0o640) };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await tree.requireHeader();
    await prepareStaging(tree.root);
    return { path, handle: await open(path, 'wx', 0o640) };
  }
}

async function makeStagingFolder(staging: string): Promise<void> {
  try {
    await mkdir(staging, { mode: 0o750 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if (!(await lstat(staging)).isDirectory()) throw notOrdinary(staging);
  }
}

async function probeLinks(staging: string): Promise<void> {
  const file = join(staging, randomUUID());
  const second = `${file}-link`;
  try {
    await (await open(file, 'wx', 0o640)).close();
    await linkOrRefuse(file, second);
  } finally {
    await rm(second, { force: true });
    await rm(file, { force: true });
  }
}

async function linkOrRefuse(file: string, second: string): Promise<void> {
  try {
    await link(file, second);
  } catch (error) {
    const errno = errnoOf(error) ?? '';
    if (!LINKS_MISSING.has(errno)) throw error;
    const sentence = `the file system of ${file} has no hard links (${errno}), without which a put could overwrite another’s object`;
    throw new RstowError('repository-unsupported', sentence, { details: { errno }, cause: error });
  }
}

async function sweepLeftovers(staging: string): Promise<void> {
  const oldestMs = Date.now() - LEFTOVER_AGE_MS;
  for (const entry of await readdir(staging, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(staging, entry.name);
    if ((await modifiedAtMs(path)) < oldestMs) await rm(path, { force: true });
  }
}

/** A file that its owner removed meanwhile is no leftover. */
async function modifiedAtMs(path: string): Promise<number> {
  try {
    return (await lstat(path)).mtimeMs;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Infinity;
    throw error;
  }
}
