import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from './file-tree.ts';
import { rstowFolder } from './rstow-folder.ts';
import { restorePaths } from './staging.ts';
import { orUndefined, unlessAbsent } from '../files/system-error.ts';

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
