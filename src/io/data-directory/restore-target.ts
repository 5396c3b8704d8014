import { lstat, mkdir, readdir, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, orUndefined, unlessAbsent } from '../files/errno.ts';
import { giveTo, type Ownership } from '../files/ownership.ts';
import { isBelow, liesIn, realPlace, withParents } from '../files/free-space.ts';

export type TargetRules = {
  /** Folders below which a restore may make or fill one. */
  roots: readonly string[];
  /** Folders that are in use: nothing is restored into them. */
  taken: readonly string[];
  /** Numeric owners of the folders on the way who may be trusted not to swap one under the restore. */
  trustedUids: readonly number[];
};

const WRITABLE_BY_OTHERS = 0o002;
const STICKY = 0o1000;

/**
 * Whether a restore may write there: links are followed first, and nobody whom the agent does not trust can change the
 * way to it meanwhile. Fails: target-not-allowed.
 */
export async function requireTargetAllowed(target: string, { roots, taken, trustedUids }: TargetRules): Promise<void> {
  const place = await realPlace(target);
  if (place === undefined) throw refused(target, `${target} is or goes through a symbolic link that leads nowhere`);
  const { real, existing } = place;
  const realRoots = await Promise.all(roots.map(realPlace));
  if (!realRoots.some((root) => root !== undefined && isBelow(real, root.real))) {
    throw refused(target, `${target}${real === target ? '' : ` (${real})`} is not below a restore root: ${roots.join(', ')}`);
  }
  for (const folder of taken) {
    if (await liesIn(target, folder)) throw refused(target, `${target} lies in ${folder}, which is in use`);
  }
  for (const folder of withParents(existing)) await requireTrusted(target, folder, trustedUids);
}

async function requireTrusted(target: string, folder: string, trustedUids: readonly number[]): Promise<void> {
  const { uid, mode } = await lstat(folder);
  if (!trustedUids.includes(uid)) throw refused(target, `${folder} belongs to user ${uid}, who could replace it during the restore`);
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
    throw refused(target, `every user of this host can write to ${folder}, and could replace what is restored there`);
  }
}

function refused(target: string, sentence: string): RstowError {
  return new RstowError('target-not-allowed', sentence, { details: { target } });
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
