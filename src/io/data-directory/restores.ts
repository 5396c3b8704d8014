import { readdir, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from './file-tree.ts';
import { rstowFolder } from './rstow-folder.ts';
import { restorePaths } from './staging.ts';
import { orUndefined, unlessAbsent } from './system-error.ts';

/** What a restore has left in a data directory. */
export type LeftRestore = { runId: string; /** When it last renamed something there, Unix ms. */ changedAtMs: number };

export async function listRestores(dataDir: string): Promise<LeftRestore[]> {
  const folder = join(rstowFolder(dataDir), 'restores');
  const left: LeftRestore[] = [];
  for (const runId of (await unlessAbsent(readdir(folder))) ?? []) {
    const stats = await unlessAbsent(stat(join(folder, runId)));
    if (stats !== undefined) left.push({ runId, changedAtMs: stats.mtimeMs });
  }
  return left;
}

/** Removes what a run staged, and keeps what it replaced, rejected or put away. Twice: no-op. */
export async function clearRestore(dataDir: string, runId: string): Promise<void> {
  const { root, wal, rehearsal } = restorePaths(dataDir, runId);
  await removeTree(dataDir, wal);
  await removeTree(dataDir, rehearsal);
  for (const folder of [root, join(rstowFolder(dataDir), 'restores'), rstowFolder(dataDir)]) await removeIfEmpty(folder);
}

/** Removes all of it, replaced data included: after their time. Twice: no-op. */
export async function removeRestore(dataDir: string, runId: string): Promise<void> {
  await removeTree(dataDir, restorePaths(dataDir, runId).root);
}

async function removeIfEmpty(folder: string): Promise<void> {
  await unlessAbsent(orUndefined(rmdir(folder), ['ENOTEMPTY', 'EEXIST']));
}
