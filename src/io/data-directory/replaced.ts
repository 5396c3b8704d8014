import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { walkTree } from './file-tree.ts';
import { rstowFolder } from './rstow-folder.ts';
import { restorePaths } from './staging.ts';
import { unlessAbsent } from './system-error.ts';

/** Data that a restore has replaced and that are kept for a while. */
export type ReplacedData = { path: string; sizeBytes: number; /** Unix ms. */ sinceMs: number };

/** What restores of this data directory have replaced, the newest last. */
export async function listReplaced(dataDir: string): Promise<ReplacedData[]> {
  const runIds = (await unlessAbsent(readdir(join(rstowFolder(dataDir), 'restores')))) ?? [];
  const found = await Promise.all(runIds.map((runId) => replacedBy(restorePaths(dataDir, runId).replaced)));
  return found.filter((replaced) => replaced !== undefined).sort((one, other) => one.sinceMs - other.sinceMs);
}

/** Somebody may clear it meanwhile. */
async function replacedBy(path: string): Promise<ReplacedData | undefined> {
  const folder = await unlessAbsent(lstat(path));
  if (folder === undefined) return undefined;
  const sizeBytes = (await unlessAbsent(sizeOf(path))) ?? 0;
  return { path, sizeBytes, sinceMs: Math.round(folder.mtimeMs) };
}

async function sizeOf(tree: string): Promise<number> {
  let sizeBytes = 0;
  for await (const { path, kind } of walkTree(tree)) {
    if (kind === 'file') sizeBytes += (await unlessAbsent(lstat(path)))?.size ?? 0;
  }
  return sizeBytes;
}
