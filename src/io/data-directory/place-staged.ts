import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { syncFolder } from '../files/sync-folder.ts';
import { restorePaths } from './staging.ts';
import { errnoOf } from '../files/errno.ts';
import { unlessAbsent } from '../files/system-error.ts';

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
