import { constants } from 'node:fs';
import { lstat, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { makeFolder, readSmallFile, syncFolder } from '../files/durable.ts';
import { errnoOf, orUndefined, unlessAbsent, writeFailure } from '../files/errno.ts';
import { linkOrCopy, removeTree, walkTree } from './file-tree.ts';
import { listSegments } from './segments.ts';
import { isPathPart, restoreFolderName, rstowFolder } from './rstow-folder.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';

/** Removes what a run staged, and keeps what it replaced, rejected or put away. Twice: no-op. */
export async function clearRestore(dataDir: string, runId: string): Promise<void> {
  const { root, wal, baseline, rehearsal } = restorePaths(dataDir, runId);
  for (const tree of [wal, baseline, rehearsal]) await removeTree(dataDir, tree);
  for (const folder of [root, join(rstowFolder(dataDir), 'restores'), rstowFolder(dataDir)]) await removeIfEmpty(folder);
}

/** Twice: no-op. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await unlessAbsent(orUndefined(rmdir(folder), ['ENOTEMPTY', 'EEXIST']));
}

/** So many digits hold any number of milliseconds, and a file that never grows can be written on a full disk. */
const DIGITS = 16;

/** Says how long a restore's folder has been kept: the time that agents have counted, whatever the clock said meanwhile. */
export function keptFile(restoreRoot: string): string {
  return join(restoreRoot, 'kept-ms');
}

/** Zero where nothing was counted yet, or what was can't be read: then the time begins anew. */
async function readKeptMs(restoreRoot: string): Promise<number> {
  const text = (await readSmallFile(keptFile(restoreRoot))) ?? '';
  return /^\d{16}$/.test(text) ? Number(text) : 0;
}

/** Gives the new sum. Durable when it returns. */
export async function addKeptMs(restoreRoot: string, passedMs: number): Promise<number> {
  const keptMs = (await readKeptMs(restoreRoot)) + Math.max(0, Math.round(passedMs));
  const handle = await open(keptFile(restoreRoot), constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    await handle.write(String(keptMs).padStart(DIGITS, '0'), 0);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return keptMs;
}

/** Data that a restore has replaced and that are kept for a while; `keptMs` is the part of it that is over, as counted. */
export type ReplacedData = { runId: string; path: string; sizeBytes: number; /** Unix ms. */ sinceMs: number; keptMs: number };

/** The runs that have restored this data directory and left something. */
export async function restoringRuns(dataDir: string): Promise<string[]> {
  return ((await unlessAbsent(readdir(join(rstowFolder(dataDir), 'restores')))) ?? []).filter(isPathPart);
}

/** What restores of this data directory have replaced, the newest last. */
export async function listReplaced(dataDir: string): Promise<ReplacedData[]> {
  const runIds = await restoringRuns(dataDir);
  const found = await Promise.all(runIds.map((runId) => replacedBy(runId, restorePaths(dataDir, runId))));
  return found.filter((replaced) => replaced !== undefined).sort((one, other) => one.sinceMs - other.sinceMs);
}

/** Somebody may clear it meanwhile. */
async function replacedBy(runId: string, { replaced: path, root }: RestorePaths): Promise<ReplacedData | undefined> {
  const folder = await unlessAbsent(lstat(path));
  if (folder === undefined) return undefined;
  const sizeBytes = (await unlessAbsent(sizeOf(path))) ?? 0;
  return { runId, path, sizeBytes, sinceMs: Math.round(folder.mtimeMs), keptMs: await readKeptMs(root) };
}

async function sizeOf(tree: string): Promise<number> {
  let sizeBytes = 0;
  for await (const { path, kind } of walkTree(tree)) {
    if (kind === 'file') sizeBytes += (await unlessAbsent(lstat(path)))?.size ?? 0;
  }
  return sizeBytes;
}

/** Where a restore keeps what comes in, what it replaced, what it tries, and what was rolled back; absolute. */
type RestorePaths = {
  root: string;
  wal: string;
  /** Holds the segment with which the log will begin, once it is whole. */ baseline: string;
  replaced: string;
  rehearsal: string;
  rejected: string;
};

export function restorePaths(dataDir: string, runId: string): RestorePaths {
  const root = join(dataDir, restoreFolderName(runId));
  return {
    root,
    wal: join(root, 'wal'),
    baseline: join(root, 'baseline'),
    replaced: join(root, 'replaced'),
    rehearsal: join(root, 'rehearsal'),
    rejected: join(root, 'rejected'),
  };
}

/** `content` is asked only where the segment isn't there yet; it throws where its bytes turn out to be wrong. */
export type StagedSegment = {
  walDir: string;
  segment: SegmentId;
  /** Undefined of one that is made here. */
  sizeBytes: number | undefined;
  content: () => AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
};

const PARTIAL = /\.wal\.[0-9a-f-]{36}\.partial$/;

/**
 * Writes one whole segment; its name appears when its bytes are durable, and is durable itself once the folder is synced.
 * Fails: damaged-object (other than `sizeBytes`), not-enough-space. Twice: a segment of that size is kept, of any if none is given; a
 * partial one begins anew, under a name of its own.
 */
export async function writeStagedSegment(staged: StagedSegment): Promise<'written' | 'kept'> {
  const path = join(staged.walDir, segmentFileName(staged.segment));
  await makeFolder(staged.walDir);
  const there = await unlessAbsent(stat(path));
  if (there !== undefined && there.size === (staged.sizeBytes ?? there.size)) return 'kept';
  const partialPath = `${path}.${randomUUID()}.partial`;
  try {
    await writePartial(partialPath, staged);
  } catch (error) {
    await rm(partialPath, { force: true });
    throw writeFailure(error, path);
  }
  await rename(partialPath, path);
  return 'written';
}

/** Whether the segment with which the log will begin is made already, and whole. */
export async function hasBaseline(dataDir: string, runId: string, segment: SegmentId): Promise<boolean> {
  return (await unlessAbsent(stat(join(restorePaths(dataDir, runId).baseline, segmentFileName(segment))))) !== undefined;
}

/**
 * Lets the staged log begin with its baseline: in the place of that segment's file, and without the earlier ones. The baseline stays beside
 * it until the restore is cleared, so that another attempt knows what it finds. Twice: no-op.
 */
export async function placeBaseline(dataDir: string, runId: string, segment: SegmentId): Promise<void> {
  const { wal, baseline } = restorePaths(dataDir, runId);
  const path = join(wal, segmentFileName(segment));
  const partialPath = `${path}.${randomUUID()}.partial`;
  await linkOrCopy(join(baseline, segmentFileName(segment)), partialPath);
  await rename(partialPath, path);
  // Of two names of one file a rename leaves both.
  await rm(partialPath, { force: true });
  for (const earlier of (await listSegments(wal)) ?? []) if (earlier.segment < segment) await rm(earlier.path);
  await closeStaging(wal);
}

/** Removes what attempts that died have left, and makes every name durable. Twice: no-op. */
export async function closeStaging(walDir: string): Promise<void> {
  const left = (await readdir(walDir)).filter((name) => PARTIAL.test(name));
  for (const name of left) await rm(join(walDir, name), { force: true });
  await syncFolder(walDir);
}

async function writePartial(path: string, { content, sizeBytes, signal }: StagedSegment): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    let writtenBytes = 0;
    for await (const chunk of content()) {
      signal?.throwIfAborted();
      // Not handle.write, which may write a part only.
      await handle.writeFile(chunk);
      writtenBytes += chunk.length;
    }
    if (sizeBytes !== undefined && writtenBytes !== sizeBytes) throw wrongSize(path, writtenBytes, sizeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function wrongSize(path: string, writtenBytes: number, sizeBytes: number): RstowError {
  const sentence = `${path} got ${writtenBytes} bytes where the plan says ${sizeBytes}`;
  return new RstowError('damaged-object', sentence, { details: { path, writtenBytes, sizeBytes } });
}

/**
 * Renames the run's staged wal/ into a directory that has none. Fails: target-not-empty, where somebody has put
 * another there meanwhile. Twice: no-op.
 */
export async function placeStagedWal(dataDir: string, runId: string): Promise<void> {
  const { wal: staged, root } = restorePaths(dataDir, runId);
  if ((await unlessAbsent(stat(staged))) === undefined) return;
  const wal = join(dataDir, 'wal');
  try {
    await rename(staged, wal);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
    throw new RstowError('target-not-empty', `${wal} was made by somebody else meanwhile`, { details: { wal }, cause: error });
  }
  await syncFolder(root);
  await syncFolder(dataDir);
}
