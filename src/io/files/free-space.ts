import { lstat, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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

/** `real` is the path without links, as far as it exists; `existing` the deepest folder of it that does. */
type RealPlace = { real: string; existing: string };

/** Undefined for what is or goes through a link that leads nowhere: where that will be is anybody's guess. */
export async function realPlace(path: string): Promise<RealPlace | undefined> {
  const real = await unlessAbsent(realpath(path));
  if (real !== undefined) return { real, existing: real };
  if ((await unlessAbsent(lstat(path))) !== undefined) return undefined;
  const parent = await realPlace(dirname(path));
  return parent && { real: join(parent.real, basename(path)), existing: parent.existing };
}

/**
 * Whether a path is that folder or lies in it, whatever both are called: links are followed, and a folder that is
 * mounted in a second place is one folder.
 */
export async function liesIn(path: string, folder: string): Promise<boolean> {
  const [place, within] = [await realPlace(path), await realPlace(folder)];
  if (place === undefined || within === undefined) return false;
  if (place.real === within.real || isBelow(place.real, within.real)) return true;
  if (within.existing !== within.real) return false;
  const identity = await identityOf(within.real);
  const identities = await Promise.all(withParents(place.existing).map(identityOf));
  return identities.includes(identity);
}

/** By text alone. */
export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

/** The folder and all that it lies in. */
export function withParents(folder: string): string[] {
  const parent = dirname(folder);
  return parent === folder ? [folder] : [folder, ...withParents(parent)];
}

async function identityOf(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true });
  return `${dev}:${ino}`;
}
