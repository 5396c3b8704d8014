import { rename, rm, statfs } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { assert } from '../../core/errors/assert.ts';
import { errnoOf } from '../files/errno.ts';
import { folderError, notOrdinary } from './folder-error.ts';
import { listFolder } from './folder-list.ts';
import { readableOf, readWhole } from './folder-read.ts';
import { stageFile } from './folder-stage.ts';
import { hasParents, kindOf, openFolderTree, openObject } from './folder-tree.ts';
import type { FolderTree } from './folder-tree.ts';
import { assertKeyPrefix, assertObjectKey } from './object-key.ts';
import type { ListedObject, Repository, StagedObject } from './port.ts';

export type FolderOptions = {
  /** Called once, if the disk can't make folders durable: what was just stored may be missing after a power cut of its host. */
  onUnsynced?: () => void;
};

/**
 * A repository in a folder on a local or network disk. The root must exist; it may be a symbolic link, what is inside
 * may not. A disk that cannot be written opens for reading.
 * Fails: repository-unavailable, repository-unsupported (no hard links). Twice: the same repository.
 */
export async function openFolderRepository(root: string, { onUnsynced = () => undefined }: FolderOptions = {}): Promise<Repository> {
  assert(isAbsolute(root), 'the root of a folder repository is an absolute path');
  const tree = await mapped(root, 'open it', () => openFolderTree(root, onUnsynced));
  return {
    description: `folder ${root}`,
    read: (key, { sizeBytesMax }) => readObject(tree, key, sizeBytesMax),
    openRead: (key, { signal } = {}) => openObjectStream(tree, key, signal),
    put: (key, bytes) => putObject(tree, key, bytes),
    stage: () => stageObject(tree, 'stage an object'),
    list: (prefix) => listObjects(tree, prefix),
    move: (fromKey, toKey) => moveObject(tree, fromKey, toKey),
    delete: (key) => deleteObject(tree, key),
    freeBytes: () => freeBytes(tree),
  };
}

async function readObject(tree: FolderTree, key: string, sizeBytesMax: number): Promise<Uint8Array | undefined> {
  assertObjectKey(key);
  return mapped(tree.root, `read ${key}`, async () => {
    await tree.check();
    const handle = await openObject(tree.root, key);
    if (handle === undefined) return undefined;
    try {
      return await readWhole(handle, key, sizeBytesMax);
    } finally {
      await handle.close();
    }
  });
}

async function openObjectStream(tree: FolderTree, key: string, signal: AbortSignal | undefined): Promise<Readable | undefined> {
  assertObjectKey(key);
  signal?.throwIfAborted();
  return mapped(tree.root, `read ${key}`, async () => {
    await tree.check();
    const handle = await openObject(tree.root, key);
    if (handle === undefined) return undefined;
    const stream = readableOf(handle, mapperOf(tree.root, `read ${key}`));
    return signal === undefined ? stream : addAbortSignal(signal, stream);
  });
}

async function putObject(tree: FolderTree, key: string, bytes: Uint8Array): Promise<'stored' | 'exists'> {
  assertObjectKey(key);
  const staged = await stageObject(tree, `put ${key}`);
  try {
    await pipeline(Readable.from([bytes]), staged.sink);
    return await staged.commit(key);
  } finally {
    await staged.discard();
  }
}

async function stageObject(tree: FolderTree, doing: string): Promise<StagedObject> {
  return mapped(tree.root, doing, async () => {
    await tree.check();
    const staged = await stageFile(tree, mapperOf(tree.root, doing));
    return {
      sink: staged.sink,
      commit: (key) => mapped(tree.root, `put ${key}`, () => staged.commit(key)),
      discard: () => mapped(tree.root, 'discard a staged object', () => staged.discard()),
    };
  });
}

async function* listObjects(tree: FolderTree, prefix: string): AsyncGenerator<ListedObject> {
  assertKeyPrefix(prefix);
  try {
    await tree.check();
    yield* listFolder(tree.root, prefix);
  } catch (error) {
    throw folderError(error, `list ${prefix}`, tree.root);
  }
}

/** The new name is made durable before the old one's absence: a power cut between them loses nothing. */
async function moveObject(tree: FolderTree, fromKey: string, toKey: string): Promise<void> {
  assertObjectKey(fromKey);
  assertObjectKey(toKey);
  await mapped(tree.root, `move ${fromKey} to ${toKey}`, async () => {
    await tree.check();
    if (!(await isObject(tree.root, fromKey))) return;
    const target = await tree.makeParents(toKey);
    const source = join(tree.root, fromKey);
    await renameIfPresent(source, target);
    await tree.sync(dirname(target));
    await tree.sync(dirname(source));
  });
}

async function deleteObject(tree: FolderTree, key: string): Promise<void> {
  assertObjectKey(key);
  await mapped(tree.root, `delete ${key}`, async () => {
    await tree.check();
    if (!(await isObject(tree.root, key))) return;
    const path = join(tree.root, key);
    await rm(path, { force: true });
    await tree.sync(dirname(path));
  });
}

async function isObject(root: string, key: string): Promise<boolean> {
  if (!(await hasParents(root, key))) return false;
  const path = join(root, key);
  const kind = await kindOf(path);
  if (kind === 'absent') return false;
  if (kind !== 'file') throw notOrdinary(path);
  return true;
}

/** Two movers of one object: the slower one finds it moved. */
async function renameIfPresent(source: string, target: string): Promise<void> {
  try {
    await rename(source, target);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

async function freeBytes(tree: FolderTree): Promise<number> {
  return mapped(tree.root, 'measure its free space', async () => {
    await tree.check();
    const { bavail, bsize } = await statfs(tree.root);
    return bavail * bsize;
  });
}

async function mapped<Result>(root: string, doing: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw folderError(error, doing, root);
  }
}

/** For streams, which are destroyed by an Error and nothing else. */
function mapperOf(root: string, doing: string): (error: unknown) => Error {
  return (error) => folderError(error, doing, root) as Error;
}
