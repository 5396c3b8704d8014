import { readFile } from 'node:fs/promises';
import { unlessAbsent } from './errno.ts';

/** One line of the mount table of this process. @see proc(5) */
export type Mount = {
  /** `major:minor` of what holds the file system; a number of its own if that is no device. */
  device: string;
  /** What of the file system is mounted: `/` is all of it; a bind mount shows a folder. */
  root: string;
  mountPoint: string;
  /** Such as `ext4` or `zfs`. */
  fileSystem: string;
  /** Of a disk its device, of ZFS the dataset. */
  source: string;
};

/** In the order in which they were mounted; empty where there is no such table. */
export async function readMounts(): Promise<Mount[]> {
  return parseMounts((await unlessAbsent(readFile('/proc/self/mountinfo', 'utf8'))) ?? '');
}

export function parseMounts(table: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of table.split('\n')) {
    // Of the optional fields there may be any number, and a dash ends them.
    const [before = '', after = ''] = line.split(' - ');
    const [device, root, mountPoint] = before.split(' ').slice(2, 5).map(unescapeMount);
    const [fileSystem, source] = after.split(' ').map(unescapeMount);
    if (device === undefined || root === undefined || mountPoint === undefined) continue;
    if (fileSystem === undefined || source === undefined) continue;
    mounts.push({ device, root, mountPoint, fileSystem, source });
  }
  return mounts;
}

/** That which a path without symlinks lies on: of several on one folder the last hides the others. */
export function mountOf(mounts: readonly Mount[], realPath: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const { mountPoint } = mount;
    const covers = mountPoint === '/' || realPath === mountPoint || realPath.startsWith(`${mountPoint}/`);
    if (covers && mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  }
  return found;
}

/** Where a path without symlinks lies in its file system: the same for two paths of one file, in whatever mount tables. */
export function placeOnDevice(mounts: readonly Mount[], realPath: string): string {
  const mount = mountOf(mounts, realPath);
  if (mount === undefined) return realPath;
  const { device, root, mountPoint } = mount;
  const below = mountPoint === '/' ? realPath : realPath.slice(mountPoint.length);
  return `${device}${root === '/' ? '' : root}${below}`;
}

/** Blanks and backslashes are three octal digits there. */
function unescapeMount(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
