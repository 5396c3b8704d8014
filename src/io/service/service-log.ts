import { copyFile, rename, rm, stat, truncate } from 'node:fs/promises';

const LOG_SIZE_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Keeps a log that a running process appends to from growing for ever: what it holds becomes `<log>.1`, in place of what
 * was there, and the log begins anew. The process keeps its file, so a line written at that instant may be lost.
 * Twice: no-op.
 */
export async function boundLog(logFile: string, sizeBytesMax = LOG_SIZE_BYTES_MAX): Promise<void> {
  const sizeBytes = await sizeOf(logFile);
  if (sizeBytes <= sizeBytesMax) return;
  const staged = `${logFile}.1.tmp`;
  try {
    await copyFile(logFile, staged);
    await rename(staged, `${logFile}.1`);
  } finally {
    await rm(staged, { force: true });
    // Also on a full disk, where no copy can be made: this log is what fills it.
    await truncate(logFile);
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
