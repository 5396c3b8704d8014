/**
 * A kernel of its own for what needs one: LVM, device-mapper. It is a process of this machine and sees this machine's files, read-only, so
 * that no image is made: the checkout, Node and all programs are where they are here. Its memory is its /tmp.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MODULES = '/usr/lib/uml/modules';

export type GuestOptions = {
  /** Run as root, in its own kernel; the guest ends with it. `folder`: that of the guest. */
  command: (folder: string) => readonly string[];
  env: (folder: string) => Readonly<Record<string, string>>;
  /** Puts into the folder what the command needs there. */
  prepare?: (folder: string) => Promise<void>;
  memoryMb: number;
  /** `/dev/ubda`, `/dev/ubdb` … */
  disksMb: readonly number[];
  /** Names of kernel modules below the folder of all modules, in the order in which they need each other. */
  modules: readonly string[];
  timeoutMs: number;
};

export type GuestEnd = { /** Undefined if the guest did not come to its end. */ exitCode: number | undefined; output: string };

export type Guest = {
  /** Written by the guest, and seen here: as this machine and the guest both call it. */
  folder: string;
  ended: Promise<GuestEnd>;
  /** Ends the kernel as pulling a plug would, and removes its folder. Twice: no-op. */
  remove: () => Promise<void>;
};

/** Boots it, which takes three seconds. Its output is in `folder`, as `output`. */
export async function startGuest(options: GuestOptions): Promise<Guest> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-guest-'));
  const disks = options.disksMb.map((_, index) => join(folder, `disk-${index}.img`));
  for (const [index, disk] of disks.entries()) {
    await (await open(disk, 'w')).close();
    await truncate(disk, (options.disksMb[index] ?? 0) * 1024 * 1024);
  }
  await options.prepare?.(folder);
  const init = join(folder, 'init');
  await writeFile(init, initScript(folder, options), { mode: 0o755 });
  // Each kernel has its own folder for what it keeps of itself.
  await mkdir(join(folder, 'uml'));
  const args = [
    `mem=${options.memoryMb}M`,
    `uml_dir=${join(folder, 'uml')}`,
    ...disks.map((disk, index) => `ubd${index}=${disk}`),
    ...['root=/dev/root', 'rootfstype=hostfs', 'rootflags=/', 'ro', `init=${init}`, 'con=null', 'con0=null,fd:2', 'con1=null', 'quiet'],
  ];
  const child = spawn('linux.uml', args, { stdio: ['ignore', 'ignore', 'ignore'], detached: true, timeout: options.timeoutMs });
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  process.once('exit', kill);
  const exited = once(child, 'exit');
  return {
    folder,
    ended: exited.then(async () => {
      kill();
      process.off('exit', kill);
      const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8').catch(() => '');
      const exitCode = await read('exit-code');
      return { exitCode: exitCode === '' ? undefined : Number(exitCode), output: await read('output') };
    }),
    remove: async () => {
      kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The guest's first process. A tmpfs hides each folder that something is to be written to. */
function initScript(folder: string, { command, env, modules }: GuestOptions): string {
  const [kernel = ''] = readdirSync(MODULES);
  const variables = { ...env(folder), PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`, HOME: '/tmp', TMPDIR: '/tmp' };
  return [
    '#!/bin/sh',
    'export PATH=/usr/sbin:/sbin:/usr/bin:/bin',
    'mount -t proc none /proc; mount -t sysfs none /sys',
    'mount -t tmpfs none /run; mount -t tmpfs none /tmp; mount -t tmpfs none /var/tmp',
    'mkdir -p /dev/shm /dev/pts /run/lock; mount -t tmpfs none /dev/shm',
    `mkdir -p ${folder}; mount -t hostfs none ${folder} -o ${folder}`,
    // A checkout may lie in such a folder as well.
    `[ -d ${process.cwd()} ] || { mkdir -p ${process.cwd()}; mount -r -t hostfs none ${process.cwd()} -o ${process.cwd()}; }`,
    `exec >${folder}/output 2>&1`,
    'ip link set lo up',
    ...modules.map((module) => `insmod ${join(MODULES, kernel, 'kernel', `${module}.ko`)}`),
    ...Object.entries(variables).map(([name, value]) => `export ${name}='${value}'`),
    `cd ${process.cwd()}`,
    `${command(folder)
      .map((word) => `'${word}'`)
      .join(' ')}; echo $? >${folder}/exit-code`,
    'sync; poweroff -f',
    '',
  ].join('\n');
}
