import { randomUUID } from 'node:crypto';
import { lstat, mkdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { makeRstowFolder, rstowFolder } from './rstow-folder.ts';
import { errnoOf } from '../files/errno.ts';
import { orUndefined, unlessAbsent, writeFailure } from '../files/system-error.ts';

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
