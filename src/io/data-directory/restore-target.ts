import { lstat, mkdir, readdir, realpath, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, orUndefined, unlessAbsent, writeFailure } from '../files/errno.ts';
import { giveTo, type Ownership } from '../files/ownership.ts';
import { isBelow, liesIn, realPlace, withParents } from '../files/free-space.ts';
import { readMounts } from '../files/mounts.ts';
import { makeRstowFolder, rstowFolder } from './rstow-folder.ts';

export type TargetRules = {
  /** What is put there: a restored directory, or an archive. */
  what: 'restore' | 'archive';
  /** Folders below which it may be. */
  roots: readonly string[];
  /** Folders that are in use: nothing is restored into them. */
  taken: readonly string[];
  /** Numeric owners of the folders on the way who may be trusted not to swap one under the restore. */
  trustedUids: readonly number[];
};

const WRITABLE_BY_OTHERS = 0o002;
const STICKY = 0o1000;

/** Undefined also for what this user can't reach: trying again would not help. */
function reachablePlace(path: string): ReturnType<typeof realPlace> {
  return orUndefined(realPlace(path), ['EACCES', 'ELOOP', 'ENAMETOOLONG']);
}

/** The path without links, if it lies below one of the folders; what can't be reached, or leads nowhere, lies below none. */
export async function realPathBelow(path: string, roots: readonly string[]): Promise<string | undefined> {
  const place = await reachablePlace(path);
  if (place === undefined) return undefined;
  const realRoots = await Promise.all(roots.map(realPlace));
  return realRoots.some((root) => root !== undefined && isBelow(place.real, root.real)) ? place.real : undefined;
}

/**
 * Whether a restore or an export may write there: links are followed first, and nobody whom the agent does not trust can change the
 * way to it meanwhile. Fails: target-not-allowed, of an archive file-not-allowed.
 */
export async function requireTargetAllowed(target: string, { what, roots, taken, trustedUids }: TargetRules): Promise<void> {
  const refused = (sentence: string): RstowError =>
    new RstowError(what === 'restore' ? 'target-not-allowed' : 'file-not-allowed', sentence, { details: { target } });
  const place = await reachablePlace(target);
  if (place === undefined) throw refused(`${target} can’t be reached, or goes through a symbolic link that leads nowhere`);
  const { real, existing } = place;
  const realRoots = await Promise.all(roots.map(realPlace));
  if (!realRoots.some((root) => root !== undefined && isBelow(real, root.real))) {
    throw refused(
      `${target}${real === target ? '' : ` (${real})`} is not below ${what === 'restore' ? 'a restore root' : 'an archive root'}: ${roots.join(', ')}`,
    );
  }
  for (const folder of taken) {
    if (await liesIn(target, folder)) throw refused(`${target} lies in ${folder}, which is in use`);
  }
  for (const folder of withParents(existing)) {
    const fault = await untrusted(folder, trustedUids);
    if (fault !== undefined) throw refused(fault);
  }
}

/** Why somebody could put another folder in its place meanwhile; undefined where nobody can. */
async function untrusted(folder: string, trustedUids: readonly number[]): Promise<string | undefined> {
  const { uid, mode } = await lstat(folder);
  if (!trustedUids.includes(uid)) return `${folder} belongs to user ${uid}, who could replace it meanwhile`;
  const isOpen = (mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0;
  return isOpen ? `every user of this host can write to ${folder}, and could replace what is put there` : undefined;
}

/** Whether a restore may fill the path: it doesn't exist, or holds nothing but what an earlier attempt staged there. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  try {
    const names = await orUndefined(readdir(path), ['ENOENT']);
    return (names ?? []).every((name) => name === '.rstow');
  } catch (error) {
    if (errnoOf(error) !== 'ENOTDIR') throw error;
    throw new RstowError('target-not-empty', `${path} is a file`, { details: { path }, cause: error });
  }
}

/** Whether what lies there, or would, takes room on a disk: /proc and /sys have none. */
export async function isOnDisk(path: string): Promise<boolean> {
  const stats = await unlessAbsent(statfs(path));
  return stats === undefined ? isOnDisk(dirname(path)) : stats.blocks > 0;
}

/** Makes the data directory that a restore fills, owned as the lost one was if that can be had. Twice: no-op. */
export async function makeDataDirectory(dataDir: string, ownership: Ownership): Promise<void> {
  const made = await mkdir(dataDir, { recursive: true, mode: ownership.folderMode });
  if (made !== undefined) await giveTo(dataDir, ownership);
}

/** `dataDir` is free of symlinks; `path` is the entry that can't be renamed together with the rest. */
type DataDirectoryLayout =
  | { kind: 'ordinary'; dataDir: string }
  | { kind: 'missing' }
  | { kind: 'wal-unsupported'; dataDir: string; why: 'mount-point' | 'symlink'; path: string };

/**
 * Checks whether a restore in place can swap wal/ by a rename; a backup works with any layout. A wal/ that
 * is absent is ordinary. Changes nothing. Fails: data-directory-unsupported where it is no folder.
 */
export async function checkDataDirectory(dataDir: string): Promise<DataDirectoryLayout> {
  const realDataDir = await unlessAbsent(realpath(dataDir));
  if (realDataDir === undefined) return { kind: 'missing' };
  const folder = await stat(realDataDir);
  if (!folder.isDirectory()) throw new RstowError('data-directory-unsupported', `${dataDir} is not a folder`, { details: { dataDir } });
  // A bind mount has the device number of its surroundings: only the mount table shows it.
  const mountPoints = new Set((await readMounts()).map(({ mountPoint }) => mountPoint));
  for (const name of ['wal', '.rstow', 'snapshots']) {
    const path = join(realDataDir, name);
    const entry = await unlessAbsent(lstat(path));
    if (entry === undefined) continue;
    // The server never reads a symlinked snapshots/ at its start, and the link itself can be moved aside.
    if (entry.isSymbolicLink() && name !== 'snapshots') return unsupported(realDataDir, 'symlink', path);
    if (entry.dev !== folder.dev || mountPoints.has(path)) return unsupported(realDataDir, 'mount-point', path);
  }
  return { kind: 'ordinary', dataDir: realDataDir };
}

function unsupported(dataDir: string, why: 'mount-point' | 'symlink', path: string): DataDirectoryLayout {
  return { kind: 'wal-unsupported', dataDir, why, path };
}

/**
 * Why the kernel would not move the folder, as the system calls it, such as EXDEV: overlayfs moves no folder of a lower
 * layer. It is asked to move it onto a folder that isn't empty, which no kernel does: so that nothing moves, and a server
 * may be at work. Undefined where it would, and where the folder is absent. Fails: not-enough-space, where the disk has no
 * room to ask. Twice: asked anew.
 */
export async function renameFault(dataDir: string, name: 'wal'): Promise<string | undefined> {
  const probe = join(rstowFolder(dataDir), `probe-${randomUUID()}`);
  const hadFolder = (await unlessAbsent(lstat(rstowFolder(dataDir)))) !== undefined;
  try {
    await makeRstowFolder(dataDir);
    await mkdir(probe);
    await mkdir(join(probe, 'not-empty'));
    await rename(join(dataDir, name), probe);
    // Against all rules it has moved: it must not go with the probe.
    await rename(probe, join(dataDir, name));
    return undefined;
  } catch (error) {
    const failure = writeFailure(error, probe);
    const errno = failure instanceof RstowError ? undefined : errnoOf(error);
    if (errno === undefined) throw failure;
    return ['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errno) ? undefined : errno;
  } finally {
    await rm(probe, { recursive: true, force: true });
    if (!hadFolder) await orUndefined(rmdir(rstowFolder(dataDir)), ['ENOENT', 'ENOTEMPTY', 'EEXIST']);
  }
}
