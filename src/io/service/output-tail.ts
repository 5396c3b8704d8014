import { open } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

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
