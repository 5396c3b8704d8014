import { rename, rm, statfs } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { addAbortSignal, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, systemFailure, systemMessage } from '../files/errno.ts';
import { listKeys, listObjects, readableOf, readWhole } from './folder-read.ts';
import { prepareIfWritable, stageFile } from './folder-stage.ts';
import { type FolderTree, hasParents, kindOf, notOrdinary, openFolderTree, openObject } from './folder-tree.ts';
import { assertKeyPrefix, assertObjectKey, assertRange } from './object-key.ts';
import type { ReadOptions, Repository, RepositoryProperties, StagedObject } from './port.ts';

/** Each call may hang in one of the process's threads for files, UV_THREADPOOL_SIZE; a listing in 4 of them. */
export const folderProperties: RepositoryProperties = {
  connections: 6,
  spools: false,
  conditionalPut: true,
  failsInPassing: false,
  callsCost: false,
};

type FolderOptions = {
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
  const tree = await mapped(root, 'open it', () => openFolderTree(root, { prepare: prepareIfWritable, onUnsynced }));
  return {
    description: `folder ${root}`,
    properties: folderProperties,
    read: (key, { sizeBytesMax }) => readObject(tree, key, sizeBytesMax),
    openRead: (key, options = {}) => openObjectStream(tree, key, options),
    put: (key, bytes) => putObject(tree, key, bytes),
    stage: (expectedKey) => stageObject(tree, expectedKey),
    list: (prefix, options) => listing(tree, prefix, () => listObjects(tree.root, { prefix, ...options })),
    keys: (prefix, options) =>
      flat(
        listing(tree, prefix, () => listKeys(tree.root, { prefix, ...options })),
        options?.signal,
      ),
    move: (fromKey, toKey) => moveObject(tree, fromKey, toKey),
    deleteMany: (keys, { signal } = {}) => deleteObjects(tree, keys, signal),
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

async function openObjectStream(tree: FolderTree, key: string, { range, signal }: ReadOptions): Promise<Readable | undefined> {
  assertObjectKey(key);
  if (range !== undefined) assertRange(range);
  signal?.throwIfAborted();
  return mapped(tree.root, `read ${key}`, async () => {
    await tree.check();
    const handle = await openObject(tree.root, key);
    if (handle === undefined) return undefined;
    const stream = readableOf(handle, { range, mapError: mapperOf(tree.root, `read ${key}`) });
    return signal === undefined ? stream : addAbortSignal(signal, stream);
  });
}

async function putObject(tree: FolderTree, key: string, bytes: Uint8Array): Promise<'stored' | 'exists'> {
  assertObjectKey(key);
  const staged = await stageObject(tree, key);
  try {
    await pipeline(Readable.from([bytes]), staged.sink);
    return await staged.commit(key);
  } finally {
    await staged.discard();
  }
}

async function stageObject(tree: FolderTree, expectedKey: string): Promise<StagedObject> {
  assertObjectKey(expectedKey);
  const doing = `put ${expectedKey}`;
  return mapped(tree.root, doing, async () => {
    await tree.check();
    const staged = await stageFile(tree, mapperOf(tree.root, doing));
    return {
      sink: staged.sink,
      takes: (key) => staged.takes(key),
      commit: (key) => mapped(tree.root, `put ${key}`, () => staged.commit(key)),
      discard: () => mapped(tree.root, 'discard a staged object', () => staged.discard()),
    };
  });
}

async function* listing<Item>(tree: FolderTree, prefix: string, list: () => AsyncGenerator<Item>): AsyncGenerator<Item> {
  assertKeyPrefix(prefix);
  try {
    await tree.check();
    yield* list();
  } catch (error) {
    throw folderError(error, `list ${prefix}`, tree.root);
  }
}

async function* flat(pages: AsyncIterable<string[]>, signal: AbortSignal | undefined): AsyncGenerator<string> {
  for await (const page of pages) {
    for (const key of page) {
      signal?.throwIfAborted();
      yield key;
    }
  }
}

/** The new name is made durable before the old one's absence: a power cut between them loses nothing. */
async function moveObject(tree: FolderTree, fromKey: string, toKey: string): Promise<void> {
  assertObjectKey(fromKey);
  assertObjectKey(toKey);
  await mapped(tree.root, `move ${fromKey} to ${toKey}`, async () => {
    await tree.check();
    const source = join(tree.root, fromKey);
    if (!(await hasParents(tree.root, fromKey)) || !(await isObject(source))) return;
    const target = await tree.makeParents(toKey);
    await renameIfPresent(source, target);
    await tree.sync(dirname(target));
    await tree.sync(dirname(source));
  });
}

/** A folder is synced also for an object that is absent: whoever deleted it may have died before. */
async function deleteObjects(tree: FolderTree, keys: readonly string[], signal: AbortSignal | undefined): Promise<void> {
  keys.forEach(assertObjectKey);
  const byFolder = Map.groupBy(keys, dirname);
  await mapped(tree.root, `delete ${keys.length} objects`, async () => {
    await tree.check();
    for (const [folder, inFolder] of byFolder) {
      if (!(await hasParents(tree.root, `${folder}/x`))) continue;
      for (const key of inFolder) {
        signal?.throwIfAborted();
        const path = join(tree.root, key);
        if (await isObject(path)) await rm(path, { force: true });
      }
      await tree.sync(join(tree.root, folder));
    }
  });
}

/** Fails: repository-unsupported, for what is there and no ordinary file. */
async function isObject(path: string): Promise<boolean> {
  const kind = await kindOf(path);
  if (kind !== 'absent' && kind !== 'file') throw notOrdinary(path);
  return kind === 'file';
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

/** Turns a failed system call into an error of the table; our own errors, assertions and cancellation pass untouched. */
function folderError(error: unknown, doing: string, root: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined) return error;
  // The agent's own limit, and no fault of the folder's.
  if (errno === 'EMFILE' || errno === 'ENFILE') return systemFailure(error) ?? error;
  const code = errno === 'ENOSPC' || errno === 'EDQUOT' ? 'not-enough-space' : 'repository-unavailable';
  const sentence = `folder ${root}: could not ${doing}: ${systemMessage(error as Error)}`;
  return new RstowError(code, sentence, { details: { repository: root, doing, errno }, cause: error });
}
