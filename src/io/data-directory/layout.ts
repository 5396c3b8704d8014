import { randomUUID } from 'node:crypto';
import { lstat, readFile, realpath, stat, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf, orUndefined, unlessAbsent, writeFailure } from '../files/errno.ts';
import { makeRstowFolder, rstowFolder } from './rstow-folder.ts';

/** `dataDir` is free of symlinks; `path` is the entry that can't be renamed together with the rest. */
export type DataDirectoryLayout =
  | { kind: 'ordinary'; dataDir: string }
  | { kind: 'missing' }
  | { kind: 'wal-unsupported'; dataDir: string; why: 'mount-point' | 'symlink'; path: string };

/**
 * Tells whether a restore in place can swap wal/ by a rename; a backup works with any layout. A wal/ that
 * is absent is ordinary. Changes nothing. Fails: data-directory-unsupported where it is no folder.
 */
export async function checkDataDirectory(dataDir: string): Promise<DataDirectoryLayout> {
  const realDataDir = await unlessAbsent(realpath(dataDir));
  if (realDataDir === undefined) return { kind: 'missing' };
  const folder = await stat(realDataDir);
  if (!folder.isDirectory()) throw new RstowError('data-directory-unsupported', `${dataDir} is not a folder`, { details: { dataDir } });
  const mountPoints = await readMountPoints();
  for (const name of ['wal', '.rstow', 'snapshots']) {
    const path = join(realDataDir, name);
    const entry = await unlessAbsent(lstat(path));
    if (entry === undefined) continue;
    // The server never reads a symlinked snapshots/ at its start, and the link itself can be moved aside.
    if (entry.isSymbolicLink() && name !== 'snapshots') return unsupported(realDataDir, 'symlink', path);
    if (entry.dev !== folder.dev || mountPoints.has(path)) return unsupported(realDataDir, 'mount-point', path);
  }
  return { kind: 'ordinary', dataDir: realDataDir };
}

function unsupported(dataDir: string, why: 'mount-point' | 'symlink', path: string): DataDirectoryLayout {
  return { kind: 'wal-unsupported', dataDir, why, path };
}

/** A bind mount has the device number of its surroundings: only the mount table tells it. */
async function readMountPoints(): Promise<Set<string>> {
  const table = (await unlessAbsent(readFile('/proc/self/mountinfo', 'utf8'))) ?? '';
  return new Set(table.split('\n').map((line) => unescapeMount(line.split(' ')[4] ?? '')));
}

/** @see proc(5): blanks and backslashes are three octal digits in the mount table. */
function unescapeMount(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/**
 * Why the kernel would not move the folder, as the system calls it, such as EXDEV: overlayfs moves no folder of a lower
 * layer. It is asked to move it onto a folder that isn't empty, which no kernel does: so that nothing moves, and a server
 * may be at work. Undefined where it would, and where the folder is absent. Fails: not-enough-space, where the disk has no
 * room to ask. Twice: asked anew.
 */
export async function renameFault(dataDir: string, name: 'wal'): Promise<string | undefined> {
  const probe = join(rstowFolder(dataDir), `probe-${randomUUID()}`);
  const hadFolder = (await unlessAbsent(lstat(rstowFolder(dataDir)))) !== undefined;
  try {
    await makeRstowFolder(dataDir);
    await mkdir(probe);
    await mkdir(join(probe, 'not-empty'));
    await rename(join(dataDir, name), probe);
    // Against all rules it has moved: it must not go with the probe.
    await rename(probe, join(dataDir, name));
    return undefined;
  } catch (error) {
    const failure = writeFailure(error, probe);
    const errno = failure instanceof RstowError ? undefined : errnoOf(error);
    if (errno === undefined) throw failure;
    return ['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errno) ? undefined : errno;
  } finally {
    await rm(probe, { recursive: true, force: true });
    if (!hadFolder) await orUndefined(rmdir(rstowFolder(dataDir)), ['ENOENT', 'ENOTEMPTY', 'EEXIST']);
  }
}
