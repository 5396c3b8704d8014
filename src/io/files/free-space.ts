import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { unlessAbsent } from './system-error.ts';

/** Bytes that may still be written at a path; where it doesn't exist yet, its nearest parent counts. */
export async function freeBytes(path: string): Promise<number> {
  const stats = await unlessAbsent(statfs(path));
  return stats === undefined ? freeBytes(dirname(path)) : stats.bavail * stats.bsize;
}
