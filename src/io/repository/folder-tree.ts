import { constants } from 'node:fs';
import { lstat, mkdir, open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf } from '../files/errno.ts';
import { createSharedSync, syncFolder } from '../files/durable.ts';
import { REPOSITORY_HEADER_KEY } from './object-key.ts';

/** The folders under a root: which are there, which are ordinary, which are known to outlive a power cut. */
export type FolderTree = {
  readonly root: string;

  /**
   * Stops when the root is gone, became an empty mount point, or another repository was mounted there: `absent` must
   * never mean `not mounted`.
   */
  check(): Promise<void>;

  /** Stops where a repository was seen and none, or another one, is now: called before a folder that was there is made again. */
  requireHeader(): Promise<void>;

  /** The path of a key's object, made fit for it: its folders exist, durably. */
  makeParents(key: string): Promise<string>;

  /** Makes the names in a folder durable, as far as its disk can. */
  sync(folder: string): Promise<void>;
};

type Preparing = {
  /** Called for the root, and again when another disk is mounted there. */
  prepare: (root: string) => Promise<void>;
  /** Called once, if the disk turns out to have no way to make folders durable. */
  onUnsynced: () => void;
};

/** Fails: repository-unavailable (no such folder: it is never created, so that an unmounted disk is not filled silently). */
export async function openFolderTree(root: string, { prepare, onUnsynced }: Preparing): Promise<FolderTree> {
  let identity = await identityOf(root);
  let header: string | undefined;
  const durable = new Set<string>();
  await prepare(root);
  const sync = syncer(onUnsynced);
  const requireHeader = async (): Promise<void> => {
    if (header === undefined) return;
    requireSame(root, header, await headerOf(root));
  };
  return {
    root,
    sync,
    requireHeader,
    async check() {
      const now = await identityOf(root);
      if (now === identity) {
        header ??= await headerOf(root);
        return;
      }
      requireSame(root, header, await headerOf(root));
      await prepare(root);
      durable.clear();
      identity = now;
    },
    async makeParents(key) {
      for (const folder of ancestorsOf(key)) await makeFolder(root, folder, { durable, sync, requireHeader });
      return join(root, key);
    },
  };
}

function requireSame(root: string, header: string | undefined, headerNow: string | undefined): void {
  if (headerNow === undefined) throw rootChanged(root, `has no ${REPOSITORY_HEADER_KEY}: it is not mounted, or somebody has emptied it`);
  if (header !== undefined && idOf(headerNow) !== idOf(header))
    throw rootChanged(root, 'holds another repository than before; the wrong disk may be mounted');
}

/** Whether all folders of a key are there; nothing lies under a file. Fails: repository-unsupported (a symbolic link among them). */
export async function hasParents(root: string, key: string): Promise<boolean> {
  for (const folder of ancestorsOf(key)) {
    const kind = await kindOf(join(root, folder));
    if (kind === 'other') throw notOrdinary(join(root, folder));
    if (kind !== 'folder') return false;
  }
  return true;
}

/** Opens an object, or undefined if absent. Never follows a link, never waits on a pipe. */
export async function openObject(root: string, key: string): Promise<FileHandle | undefined> {
  if (!(await hasParents(root, key))) return undefined;
  const path = join(root, key);
  const kind = await kindOf(path);
  if (kind === 'absent') return undefined;
  if (kind !== 'file') throw notOrdinary(path);
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

export async function kindOf(path: string): Promise<'file' | 'folder' | 'other' | 'absent'> {
  try {
    const stats = await lstat(path);
    return stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'other';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'absent';
    throw error;
  }
}

function syncer(onUnsynced: () => void): FolderTree['sync'] {
  const sync = createSharedSync(syncFolder);
  let isSaid = false;
  return async (folder) => {
    if ((await sync(folder)) || isSaid) return;
    isSaid = true;
    onUnsynced();
  };
}

type Durable = { durable: Set<string> } & Pick<FolderTree, 'sync' | 'requireHeader'>;

/**
 * The parent is synced once for each folder even if another process made it: that one may not have
 * come to it yet. Folders are never removed, so once is enough.
 */
async function makeFolder(root: string, folder: string, { durable, sync, requireHeader }: Durable): Promise<void> {
  const path = join(root, folder);
  const kind = await kindOf(path);
  if (kind === 'absent') {
    if (!folder.includes('/')) await requireHeader();
    durable.delete(folder);
    await makeIfAbsent(path);
  } else if (kind !== 'folder') {
    throw notOrdinary(path);
  }
  if (durable.has(folder)) return;
  await sync(join(path, '..'));
  durable.add(folder);
}

async function makeIfAbsent(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o750 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    if ((await kindOf(path)) !== 'folder') throw notOrdinary(path);
  }
}

/** `a/b/c` lies in `a` and `a/b`. */
function ancestorsOf(key: string): string[] {
  const folders = key.split('/').slice(0, -1);
  return folders.map((_, index) => folders.slice(0, index + 1).join('/'));
}

/** A link could lead a key out of the root, to files that are none of ours. */
export function notOrdinary(path: string): RstowError {
  const sentence = `${path} is not an ordinary file or folder; a repository must not contain symbolic links`;
  return new RstowError('repository-unsupported', sentence, { details: { path } });
}

async function identityOf(root: string): Promise<string> {
  const stats = await stat(root, { bigint: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') throw rootMissing(root, 'does not exist', error);
    throw error;
  });
  if (!stats.isDirectory()) throw rootMissing(root, 'is not a folder', undefined);
  return `${stats.dev}:${stats.ino}`;
}

function rootMissing(root: string, fault: string, cause: unknown): RstowError {
  const sentence = `folder ${root} ${fault}; mount its disk, or make the folder with mkdir if the repository is new`;
  return new RstowError('repository-unavailable', sentence, { details: { repository: root }, cause });
}

async function headerOf(root: string): Promise<string | undefined> {
  const handle = await openObject(root, REPOSITORY_HEADER_KEY);
  try {
    return await handle?.readFile('utf8');
  } finally {
    await handle?.close();
  }
}

/** A newer version may have raised the rest of the header: it is the same repository for all that. */
function idOf(header: string): string {
  try {
    const { id } = JSON.parse(header) as { id?: unknown };
    return typeof id === 'string' ? id : header;
  } catch {
    return header;
  }
}

function rootChanged(root: string, finding: string): RstowError {
  const sentence = `folder ${root} ${finding}`;
  return new RstowError('repository-unavailable', sentence, { details: { repository: root } });
}
