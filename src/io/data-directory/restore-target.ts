import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { unlessAbsent } from './system-error.ts';

export type TargetRules = {
  /** Folders below which a restore may make or fill one. */
  roots: readonly string[];
  /** Folders that are in use: nothing is restored into them. */
  taken: readonly string[];
  /** Numeric owners of the folders on the way who may be trusted not to swap one under the restore. */
  trustedUids: readonly number[];
};

const WRITABLE_BY_OTHERS = 0o002;
const STICKY = 0o1000;

/**
 * Whether a restore may write there: links are followed first, and nobody whom the agent does not trust can change the
 * way to it meanwhile. Fails: target-not-allowed.
 */
export async function requireTargetAllowed(target: string, { roots, taken, trustedUids }: TargetRules): Promise<void> {
  const { real, existing } = await resolveFolder(target);
  const realRoots = await Promise.all(roots.map(async (root) => (await resolveFolder(root)).real));
  if (!realRoots.some((root) => isBelow(real, root))) {
    throw refused(target, `${target}${real === target ? '' : ` (${real})`} is not below a restore root: ${roots.join(', ')}`);
  }
  for (const folder of taken) {
    const { real: realTaken } = await resolveFolder(folder);
    if (real === realTaken || isBelow(real, realTaken)) throw refused(target, `${target} lies in ${folder}, which is in use`);
  }
  for (const folder of [existing, ...parentsOf(existing)]) await requireTrusted(target, folder, trustedUids);
}

/** The path without links, as far as it exists, and the deepest folder of it that does. Fails: target-not-allowed. */
async function resolveFolder(path: string): Promise<{ real: string; existing: string }> {
  const real = await unlessAbsent(realpath(path));
  if (real !== undefined) return { real, existing: real };
  if ((await unlessAbsent(lstat(path))) !== undefined) throw refused(path, `${path} is a symbolic link that leads nowhere`);
  const parent = await resolveFolder(dirname(path));
  return { real: join(parent.real, basename(path)), existing: parent.existing };
}

async function requireTrusted(target: string, folder: string, trustedUids: readonly number[]): Promise<void> {
  const { uid, mode } = await lstat(folder);
  if (!trustedUids.includes(uid)) throw refused(target, `${folder} belongs to user ${uid}, who could replace it during the restore`);
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
    throw refused(target, `every user of this host can write to ${folder}, and could replace what is restored there`);
  }
}

function parentsOf(path: string): string[] {
  const parent = dirname(path);
  return parent === path ? [] : [parent, ...parentsOf(parent)];
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith('/') ? folder : `${folder}/`);
}

function refused(target: string, sentence: string): RstowError {
  return new RstowError('target-not-allowed', sentence, { details: { target } });
}
