import { open } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';

const tailBytes = 4_096;
const tailLines = 10;

/** The last ten lines, without colours: as much as an error can carry. */
export function outputTail(output: string): string {
  return stripVTControlCharacters(output.slice(-tailBytes)).trim().split('\n').slice(-tailLines).join('\n');
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
    const { buffer, bytesRead } = await log.read(Buffer.alloc(tailBytes), 0, tailBytes, Math.max(0, size - tailBytes));
    return outputTail(buffer.toString('utf8', 0, bytesRead));
  } finally {
    await log.close();
  }
}
