import { link, lstat, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Writable } from 'node:stream';
import { assert } from '../../core/errors/assert.ts';
import { errnoOf } from '../files/errno.ts';
import { notOrdinary } from './folder-error.ts';
import { openStagingFile } from './folder-staging.ts';
import { kindOf } from './folder-tree.ts';
import type { FolderTree } from './folder-tree.ts';
import { assertObjectKey } from './object-key.ts';
import type { StagedObject } from './port.ts';

/** Lets the source go on while a block is written. */
const sinkBufferBytes = 1024 * 1024;

/** The order is the promise: bytes synced, then the name linked, then the folder synced. The errors are the system's own. */
export async function stageFile(tree: FolderTree, mapError: (error: unknown) => Error): Promise<StagedObject> {
  const { path, handle } = await openStagingFile(tree.root);
  const sink = writableOf(handle, mapError);
  return {
    sink,
    async commit(key) {
      assertObjectKey(key);
      assert(sink.writableFinished, 'a staged object is committed after its sink has finished');
      const target = await tree.makeParents(key);
      const outcome = await linkIfAbsent(path, target);
      await tree.sync(dirname(target));
      await rm(path, { force: true });
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
    highWaterMark: sinkBufferBytes,
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
