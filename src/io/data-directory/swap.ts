import { lstat, readdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoppedNote, SwapNote } from '../../formats/data-directory.ts';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { makeFolder, syncFolder } from '../files/durable.ts';
import { restoreFolderName, rstowFolder } from './rstow-folder.ts';
import { listSegments } from './segments.ts';
import { removeIfEmpty } from './restores.ts';
import { isServerBlocked, unblockServer } from './server-block.ts';
import { errnoOf, unlessAbsent } from '../files/errno.ts';

/**
 * The disk steps of a restore in place. Each finds out from the disk what is done already, so that any of
 * them may be repeated, by anybody, after a crash at any instant:
 * blockServer, swapWal (moveOldWalAside, moveNewWalIn), finishSwap.
 */
export type WalInPlace = 'old' | 'new' | 'none' | 'foreign';

/** The paths and inodes of a swap; the rest of a stop note says who does it and until when. */
export type SwapPlan = Pick<SwapNote, 'oldWal' | 'newWal' | 'stagedWal' | 'replacedDir'>;

/** Blocked servers make wal/ anew before they refuse; each attempt puts one such husk away. */
const ATTEMPTS_MAX = 20;

/** A restore whose new data wait in its own folder. `newWalInode` is taken when that folder is complete and durable. */
export async function planSwap(dataDir: string, runId: string): Promise<SwapPlan> {
  const stagedWal = `${restoreFolderName(runId)}/wal`;
  const newInode = await folderInode(join(dataDir, stagedWal));
  assert(newInode !== undefined, `${stagedWal} is staged before the swap is planned`);
  const oldInode = await folderInode(join(dataDir, 'wal'));
  return {
    oldWal: oldInode === undefined ? null : { inode: oldInode },
    newWal: { inode: newInode },
    stagedWal,
    replacedDir: `${restoreFolderName(runId)}/replaced`,
  };
}

/** The same swap backwards: the replaced data come in, the restored ones are kept as `rejected`; and back again. */
export function planRollBack(plan: SwapPlan): SwapPlan {
  assert(plan.oldWal !== null, 'a roll-back has replaced data to put back');
  const asideName = plan.replacedDir.endsWith('/rejected') ? 'replaced' : 'rejected';
  return {
    oldWal: plan.newWal,
    newWal: plan.oldWal,
    stagedWal: `${plan.replacedDir}/wal`,
    replacedDir: `${dirname(plan.replacedDir)}/${asideName}`,
  };
}

/** `none`: also where a server that then refused to start has left a wal/ without a single record. Changes nothing. */
export async function whichWalIsInPlace(dataDir: string, plan: SwapPlan): Promise<WalInPlace> {
  const path = join(dataDir, 'wal');
  const entry = await unlessAbsent(lstat(path, { bigint: true }));
  if (entry === undefined) return 'none';
  const inode = entry.isDirectory() ? entry.ino.toString() : undefined;
  if (inode === plan.newWal.inode) return 'new';
  if (inode !== undefined && inode === plan.oldWal?.inode) return 'old';
  return (await isHusk(path)) ? 'none' : 'foreign';
}

/** Whether the new wal/ still waits in the restore's own folder: it has never been in place. */
export async function isStillStaged(dataDir: string, { stagedWal, newWal }: SwapPlan): Promise<boolean> {
  return (await folderInode(join(dataDir, stagedWal))) === newWal.inode;
}

/**
 * Puts the new wal/ in the old one's place. The server is blocked, and proved stopped after that.
 * Fails: data-directory-replaced. Twice: no-op.
 */
export async function swapWal(dataDir: string, note: SwapNote): Promise<void> {
  await moveOldWalAside(dataDir, note);
  await moveNewWalIn(dataDir, note);
}

/** First half of swapWal: from here until the second half there is no wal/. */
export async function moveOldWalAside(dataDir: string, note: SwapNote): Promise<void> {
  assert(await isServerBlocked(dataDir), 'no server can start while wal/ is swapped');
  const inPlace = await whichWalIsInPlace(dataDir, note);
  if (inPlace === 'foreign') throw foreignWal(dataDir);
  if (inPlace !== 'old') return;
  const replacedDir = join(dataDir, note.replacedDir);
  await makeFolder(replacedDir);
  try {
    await rename(join(dataDir, 'wal'), join(replacedDir, 'wal'));
  } catch (error) {
    if (!isOccupied(error)) throw error;
    throw new RstowError('data-directory-replaced', `${join(replacedDir, 'wal')} is in the way`, {
      details: { replacedDir },
      cause: error,
    });
  }
  await syncFolder(replacedDir);
  await syncFolder(dataDir);
}

/** Second half of swapWal. */
export async function moveNewWalIn(dataDir: string, note: SwapNote): Promise<void> {
  const inPlace = await whichWalIsInPlace(dataDir, note);
  assert(inPlace !== 'old', 'the old wal/ is aside before the new one comes in');
  if (inPlace === 'foreign') throw foreignWal(dataDir);
  if (inPlace === 'none' && !(await placeWal(dataDir, note, 'new'))) throw lostWal(dataDir, note);
}

/**
 * Ends a swap wherever it stopped, and lets servers start: the old or the new wal/ stays if it is in place,
 * else whichever the note proves comes in, the new one first. Its snapshots follow it; the server needs none.
 * Fails: data-directory-replaced (hands off: somebody else's wal/ is in place, or neither of ours is left).
 * Twice: no-op.
 */
export async function finishSwap(dataDir: string, note: SwapNote): Promise<'old' | 'new'> {
  const inPlace = await putWalInPlace(dataDir, note);
  // The rename may have been made by a process that died before its fsync.
  await syncFolder(dataDir);
  const snapshotsFrom = inPlace === 'old' ? note.replacedDir : dirname(note.stagedWal);
  await unblockServer(dataDir, join(dataDir, snapshotsFrom));
  return inPlace;
}

/** What a server that is only stopped is to start on again. Fails: data-directory-missing, data-directory-unsupported. */
export async function planStop(dataDir: string, runId: string): Promise<Pick<StoppedNote, 'wal' | 'asideDir'>> {
  const path = join(dataDir, 'wal');
  const inode = await folderInode(path);
  if (inode === undefined) {
    if ((await unlessAbsent(lstat(path))) === undefined) {
      throw new RstowError('data-directory-missing', `${path} does not exist`, { details: { dataDir } });
    }
    throw new RstowError('data-directory-unsupported', `${path} is no folder`, { details: { path } });
  }
  return { wal: { inode }, asideDir: `${restoreFolderName(runId)}/aside` };
}

/** Lets servers start on the data that stayed. Fails: data-directory-replaced (somebody else's wal/ is in place). Twice: no-op. */
export async function finishStop(dataDir: string, { wal, asideDir }: StoppedNote): Promise<void> {
  if ((await folderInode(join(dataDir, 'wal'))) !== wal.inode) throw foreignWal(dataDir);
  const aside = join(dataDir, asideDir);
  await unblockServer(dataDir, aside);
  for (const folder of [aside, dirname(aside), dirname(dirname(aside))]) await removeIfEmpty(folder);
}

/**
 * Lifts the block for a server on the wal/ that is in place, if nobody knows which one that is. Its snapshots stay
 * aside: no server needs them. Fails: format-unsupported, where there is no log to start on. Twice: no-op.
 */
export async function letServerStart(dataDir: string): Promise<void> {
  const path = join(dataDir, 'wal');
  if ((await folderInode(path)) === undefined || (await isHusk(path))) {
    const sentence = `${join(rstowFolder(dataDir), 'stop.json')} is of another version of rstow, and there is no log in ${path}: start that version’s agent, which can finish it`;
    throw new RstowError('format-unsupported', sentence, { details: { dataDir } });
  }
  await unblockServer(dataDir, join(rstowFolder(dataDir), 'restores', 'none'));
}

async function putWalInPlace(dataDir: string, note: SwapNote): Promise<'old' | 'new'> {
  const inPlace = await whichWalIsInPlace(dataDir, note);
  if (inPlace === 'foreign') throw foreignWal(dataDir);
  if (inPlace !== 'none') return inPlace;
  if (await placeWal(dataDir, note, 'new')) return 'new';
  if (await placeWal(dataDir, note, 'old')) return 'old';
  throw lostWal(dataDir, note);
}

/** Renames one of the two into place; false where it isn't the folder that the note means. */
async function placeWal(dataDir: string, note: SwapNote, which: 'old' | 'new'): Promise<boolean> {
  const source = join(dataDir, which === 'new' ? note.stagedWal : `${note.replacedDir}/wal`);
  const wanted = which === 'new' ? note.newWal : note.oldWal;
  if (wanted === null || (await folderInode(source)) !== wanted.inode) return false;
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    try {
      await rename(source, join(dataDir, 'wal'));
      await syncFolder(dirname(source));
      await syncFolder(dataDir);
      return true;
    } catch (error) {
      if (!isOccupied(error)) throw error;
      await putHuskAway(dataDir, note);
    }
  }
  throw foreignWal(dataDir);
}

/** Renamed, never deleted: should a record have come in after all, it is kept. */
async function putHuskAway(dataDir: string, note: SwapNote): Promise<void> {
  const path = join(dataDir, 'wal');
  const inode = await folderInode(path);
  if (inode === undefined) return;
  if (!(await isHusk(path))) throw foreignWal(dataDir);
  await rename(path, join(dataDir, dirname(note.replacedDir), `husk-${inode}`));
}

/** A folder that a server made and never wrote to: nothing in it but empty segments. */
async function isHusk(walDir: string): Promise<boolean> {
  const entry = await lstat(walDir);
  if (!entry.isDirectory()) return false;
  const names = await readdir(walDir);
  const segments = (await listSegments(walDir)) ?? [];
  return names.length === segments.length && segments.every((file) => file.sizeBytes === 0);
}

async function folderInode(path: string): Promise<string | undefined> {
  const entry = await unlessAbsent(lstat(path, { bigint: true }));
  return entry?.isDirectory() === true ? entry.ino.toString() : undefined;
}

/** A rename onto a folder that isn't empty. */
function isOccupied(error: unknown): boolean {
  const errno = errnoOf(error);
  return errno === 'ENOTEMPTY' || errno === 'EEXIST';
}

/** What `foreign` is reported as. */
export function foreignWal(dataDir: string): RstowError {
  const path = join(dataDir, 'wal');
  return new RstowError('data-directory-replaced', `${path} is neither the old nor the new data of this restore`, { details: { path } });
}

function lostWal(dataDir: string, note: SwapNote): RstowError {
  const [staged, replaced] = [join(dataDir, note.stagedWal), join(dataDir, note.replacedDir, 'wal')];
  const sentence = `there is no wal/ in ${dataDir}, and neither ${staged} nor ${replaced} is what this restore left there`;
  return new RstowError('data-directory-replaced', sentence, { details: { dataDir, staged, replaced } });
}
