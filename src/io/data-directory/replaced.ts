import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { walkTree } from './file-tree.ts';
import { readKeptMs } from './kept-time.ts';
import { rstowFolder } from './rstow-folder.ts';
import { type RestorePaths, restorePaths } from './staging.ts';
import { unlessAbsent } from '../files/system-error.ts';

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
