import { copyFile, open, rename, rm, stat, truncate } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

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

const TAIL_BYTES = 4_096;
const TAIL_LINES = 10;

/** The last ten lines, without colours: as much as an error can carry. */
export function outputTail(output: string): string {
  return stripVTControlCharacters(output.slice(-TAIL_BYTES)).trim().split('\n').slice(-TAIL_LINES).join('\n');
}

/** The tail of a log file; empty where there is none. */
export async function logFileTail(logFile: string): Promise<string> {
  const log = await open(logFile, 'r').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (log === undefined) return '';
  try {
    const { size } = await log.stat();
    const { buffer, bytesRead } = await log.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, Math.max(0, size - TAIL_BYTES));
    return outputTail(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await log.close();
  }
}
