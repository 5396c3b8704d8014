/** A host of its own with ZFS: a kernel that QEMU emulates, with disks of its own, reached by ssh. It needs nothing of the machine's kernel. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { type ProgramEnd, runProgram } from './run-program.ts';
import { waitUntil } from './wait-until.ts';
import { zfsGuestImage } from './zfs-guest-image.ts';
import { endedWithUs } from './server-child.ts';

const MEMORY_MB = 3072;
const BOOT_TIMEOUT_MS = 300_000;
const POLL_MS = 1_000;

export type QemuHostOptions = {
  /** Images that the guest sees as /dev/vdb, /dev/vdc, … and only reads. */
  images?: readonly string[];
  /** Empty disks, after them, which it may write. */
  disksMb: readonly number[];
  /** A port of this machine's 127.0.0.1 that the guest reaches under the same number on its own. */
  tunnelPort?: number;
};

export type QemuHost = {
  /** Runs a command line of the guest's shell as root. */
  run(command: string, timeoutMs?: number): Promise<ProgramEnd>;
  /** The same; fails with what it said unless it ends with 0. Gives what it printed. */
  must(command: string, timeoutMs?: number): Promise<string>;
  /** Copies folders of this machine's, with all that is in them. */
  copyIn(from: string, names: readonly string[], to: string): Promise<void>;
  close(): Promise<void>;
};

/** Boots it, and returns when its shell answers. Needs what `zfsGuestImage` needs, qemu-system-x86_64 and ssh. */
export async function startQemuHost(options: QemuHostOptions): Promise<QemuHost> {
  const image = await zfsGuestImage();
  const folder = await mkdtemp(join(tmpdir(), 'rstow-qemu-'));
  const port = await freePort();
  const disks = await makeDisks(folder, options.disksMb);
  const drives = [`file=${image.disk},format=raw,if=virtio,cache=unsafe,snapshot=on`];
  for (const path of options.images ?? []) drives.push(`file=${path},format=raw,if=virtio,readonly=on`);
  for (const path of disks) drives.push(`file=${path},format=raw,if=virtio,cache=unsafe`);
  const child = spawnQemu(machineArgs(image, { drives, port }), folder);
  const ssh = sshArgs({ folder, port, keyFile: image.keyFile });
  const children = [child];
  const close = async (): Promise<void> => {
    for (const each of children.reverse()) await end(each);
    await rm(folder, { recursive: true, force: true });
  };
  const host = hostOf(ssh, close);
  try {
    await answering(host, child, folder);
    children.push(await openConnection(ssh, host, options.tunnelPort));
    return host;
  } catch (error) {
    await close();
    throw error;
  }
}

async function makeDisks(folder: string, disksMb: readonly number[]): Promise<string[]> {
  const paths = disksMb.map((_, index) => join(folder, `disk-${index}.img`));
  for (const [index, path] of paths.entries()) {
    await writeFile(path, '');
    await truncate(path, (disksMb[index] ?? 0) * 1024 * 1024);
  }
  return paths;
}

type Machine = { drives: readonly string[]; port: number };

function machineArgs({ kernel, initrd }: { kernel: string; initrd: string }, { drives, port }: Machine): string[] {
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MB), '-M', 'q35', '-nodefaults', '-display', 'none'],
    ...['-serial', 'stdio', '-kernel', kernel, '-initrd', initrd],
    ...['-append', 'root=/dev/vda rw console=ttyS0 quiet mitigations=off'],
    ...drives.flatMap((drive) => ['-drive', drive]),
    ...['-netdev', `user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:${port}-:22`, '-device', 'virtio-net-pci,netdev=n,romfile='],
    ...['-device', 'virtio-rng-pci'],
  ];
}

function spawnQemu(args: readonly string[], folder: string): ChildProcess {
  const log = openSync(consoleFile(folder), 'a');
  try {
    return endedWithUs(spawn('qemu-system-x86_64', args, { stdio: ['ignore', log, log] }));
  } finally {
    closeSync(log);
  }
}

const consoleFile = (folder: string): string => join(folder, 'console.log');

function sshArgs({ folder, port, keyFile }: { folder: string; port: number; keyFile: string }): string[] {
  const options = [
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=10',
    'ServerAliveInterval=30',
    `ControlPath=${join(folder, 'ssh')}`,
  ];
  return ['-F', 'none', '-i', keyFile, '-p', String(port), ...options.flatMap((option) => ['-o', option])];
}

function hostOf(ssh: readonly string[], close: () => Promise<void>): QemuHost {
  const run: QemuHost['run'] = (command, timeoutMs = 120_000) => runProgram('ssh', [...ssh, 'root@127.0.0.1', command], { timeoutMs });
  return {
    run,
    must: async (command, timeoutMs) => {
      const { exitCode, stdout, stderr } = await run(command, timeoutMs);
      if (exitCode !== 0) throw new Error(`in the guest, ${command} ended with ${exitCode}: ${stdout.slice(-4000)}${stderr.slice(-8000)}`);
      return stdout;
    },
    copyIn: async (from, names, to) => {
      const sent = names.map((name) => `'${name}'`).join(' ');
      const line = `tar -C "$0" -c ${sent} | ssh "$@" root@127.0.0.1 "mkdir -p '${to}' && tar -C '${to}' -x"`;
      const { exitCode, stderr } = await runProgram('sh', ['-c', line, from, ...ssh]);
      if (exitCode !== 0) throw new Error(`${names.join(', ')} could not be copied into the guest: ${stderr}`);
    },
    close,
  };
}

async function answering(host: QemuHost, child: ChildProcess, folder: string): Promise<void> {
  const deadlineMs = Date.now() + BOOT_TIMEOUT_MS;
  while ((await host.run('true', 30_000)).exitCode !== 0) {
    if (child.exitCode !== null || Date.now() > deadlineMs) {
      throw new Error(`the guest does not answer; its console ends:\n${(await readFile(consoleFile(folder), 'utf8')).slice(-4000)}`);
    }
    await sleep(POLL_MS);
  }
}

/** One connection serves all commands: under emulation each new one would cost a second. */
async function openConnection(ssh: readonly string[], host: QemuHost, tunnelPort: number | undefined): Promise<ChildProcess> {
  const tunnel = tunnelPort === undefined ? [] : ['-o', 'ExitOnForwardFailure=yes', '-R', `${tunnelPort}:127.0.0.1:${tunnelPort}`];
  const child = spawn('ssh', [...ssh, '-M', '-N', ...tunnel, 'root@127.0.0.1'], { stdio: 'ignore' });
  const isOpen = async (): Promise<boolean> => (await runProgram('ssh', [...ssh, '-O', 'check', 'root@127.0.0.1'])).exitCode === 0;
  await waitUntil('the connection to the guest is open', isOpen);
  await host.must('true');
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
