import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { sizeText } from '../../core/text/figures.ts';
import { unlessAbsent } from './errno.ts';

/** Bytes that may still be written at a path; where it doesn't exist yet, its nearest parent counts. */
export async function freeBytes(path: string): Promise<number> {
  const stats = await unlessAbsent(statfs(path));
  return stats === undefined ? freeBytes(dirname(path)) : stats.bavail * stats.bsize;
}

/** Left free beside what is written, for others on the same disk. */
const RESERVE_BYTES = 16 * 1024 * 1024;

/** Fails: not-enough-space, naming what is needed and what is there. */
export async function requireSpace(path: string, sizeBytes: number): Promise<void> {
  const neededBytes = sizeBytes + RESERVE_BYTES;
  const available = await freeBytes(path);
  if (available >= neededBytes) return;
  throw new RstowError('not-enough-space', `${path} needs ${sizeText(neededBytes)} of free space and has ${sizeText(available)}`, {
    details: { path, neededBytes, availableBytes: available },
  });
}
