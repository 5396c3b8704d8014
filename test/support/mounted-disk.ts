/** A small disk of its own under a folder: it can become read-only, full, or be unmounted. Needs root. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export type MountedDisk = {
  makeReadOnly: () => void;
  /** Fills it until so many bytes are free. */
  fill: (freeBytes: number) => Promise<void>;
  heal: () => Promise<void>;
  /** For good; what is in it is gone. */
  remove: () => void;
};

/** Moves what the folder holds to a new disk, and mounts that in its place. */
export async function mountDisk(folder: string, sizeMb: number): Promise<MountedDisk> {
  const device = `${folder}.disk`;
  const [content, filler] = [join(device, 'content'), join(device, 'filler')];
  await mkdir(device);
  mount('-t', 'tmpfs', '-o', `size=${sizeMb}m`, 'tmpfs', device);
  await cp(folder, content, { recursive: true, preserveTimestamps: true });
  // A second mount, so that the filler lies beside the folder and not in it.
  mount('--bind', content, folder);
  return {
    makeReadOnly: () => mount('-o', 'remount,ro,bind', folder),
    fill: async (freeBytes) => {
      const { bavail, bsize } = await statfs(device);
      await writeFile(filler, Buffer.alloc(Math.max(0, bavail * bsize - freeBytes)));
    },
    heal: async () => {
      mount('-o', 'remount,rw,bind', folder);
      await rm(filler, { force: true });
    },
    remove: () => {
      for (const path of [folder, device]) execFileSync('umount', ['--lazy', path]);
    },
  };
}

function mount(...args: string[]): void {
  execFileSync('mount', args);
}
