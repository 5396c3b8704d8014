import { constants } from 'node:fs';
import { rmdir, open, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readSmallFile } from '../files/durable.ts';
import { orUndefined, unlessAbsent } from '../files/errno.ts';
import { removeTree, walkTree } from './file-tree.ts';
import { rstowFolder } from './rstow-folder.ts';
import { restorePaths, type RestorePaths } from './staging.ts';

/** Removes what a run staged, and keeps what it replaced, rejected or put away. Twice: no-op. */
export async function clearRestore(dataDir: string, runId: string): Promise<void> {
  const { root, wal, rehearsal } = restorePaths(dataDir, runId);
  await removeTree(dataDir, wal);
  await removeTree(dataDir, rehearsal);
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
export async function readKeptMs(restoreRoot: string): Promise<number> {
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
export type ReplacedData = { path: string; sizeBytes: number; /** Unix ms. */ sinceMs: number; keptMs: number };

/** What restores of this data directory have replaced, the newest last. */
export async function listReplaced(dataDir: string): Promise<ReplacedData[]> {
  const runIds = (await unlessAbsent(readdir(join(rstowFolder(dataDir), 'restores')))) ?? [];
  const found = await Promise.all(runIds.map((runId) => replacedBy(restorePaths(dataDir, runId))));
  return found.filter((replaced) => replaced !== undefined).sort((one, other) => one.sinceMs - other.sinceMs);
}

/** Somebody may clear it meanwhile. */
async function replacedBy({ replaced: path, root }: RestorePaths): Promise<ReplacedData | undefined> {
  const folder = await unlessAbsent(lstat(path));
  if (folder === undefined) return undefined;
  const sizeBytes = (await unlessAbsent(sizeOf(path))) ?? 0;
  return { path, sizeBytes, sinceMs: Math.round(folder.mtimeMs), keptMs: await readKeptMs(root) };
}

async function sizeOf(tree: string): Promise<number> {
  let sizeBytes = 0;
  for await (const { path, kind } of walkTree(tree)) {
    if (kind === 'file') sizeBytes += (await unlessAbsent(lstat(path)))?.size ?? 0;
  }
  return sizeBytes;
}
