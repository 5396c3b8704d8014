import { stat } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';

/**
 * The mutex of what changes a data directory, or of what archives it. By inode: two paths to one directory are one mutex.
 * Fails: data-directory-missing.
 */
export async function dataDirectoryMutexName(dataDir: string, part: 'data' | 'archive' = 'data'): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true }).catch((cause: unknown) => {
    if (!['ENOENT', 'ENOTDIR'].includes((cause as NodeJS.ErrnoException).code ?? '')) throw cause;
    throw new RstowError('data-directory-missing', `there is no ${dataDir}`, { details: { dataDir }, cause });
  });
  return `${dev}:${ino}/${part}`;
}
