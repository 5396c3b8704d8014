import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessGone } from './proc.ts';

/** What tells this machine from others; each undefined where this process can't read it. */
export type Machine = {
  /** Of the operating system's installation: a cloned disk keeps it. */
  machineId: string | undefined;
  /** Of the hardware or the virtual machine: a cloned machine gets another one. Only root may read it. */
  productId: string | undefined;
  /** Of this boot. */
  bootId: string | undefined;
};

const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/** A container that has no machine id of its own has none here. */
export async function readMachine(): Promise<Machine> {
  const machineIds = await Promise.all(MACHINE_ID_FILES.map(readId));
  return {
    machineId: machineIds.find((id) => id !== undefined),
    productId: await readId('/sys/class/dmi/id/product_uuid'),
    bootId: await readId('/proc/sys/kernel/random/boot_id'),
  };
}

/** An image that was prepared for cloning may hold an empty file, or the word `uninitialized`. */
async function readId(path: string): Promise<string | undefined> {
  try {
    const id = (await readFile(path, 'utf8')).trim().toLowerCase();
    return /^[0-9a-f-]{32,36}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Where the kernel shows the two generations of control groups, and what their files are called. */
const GENERATIONS = [
  { root: '/sys/fs/cgroup', limit: 'memory.max', usage: 'memory.current', cache: 'inactive_file' },
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes', cache: 'total_inactive_file' },
];

/** Bytes that a process's new child could use without swapping: of the host, and of each control group that it is in. */
export async function availableMemoryBytes(pid: number | 'self' = 'self'): Promise<number> {
  const rooms = [await hostMemoryBytes()];
  for (const path of await groupsOf(pid)) {
    for (const generation of GENERATIONS) rooms.push(await groupMemoryBytes(generation, path));
  }
  return Math.min(...rooms);
}

/** @see proc_meminfo(5) MemAvailable */
async function hostMemoryBytes(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const kibibytes = /^MemAvailable:\s+([0-9]+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? Number.POSITIVE_INFINITY : Number(kibibytes) * 1024;
}

/** Its own and those around it: each may have a limit. @see proc_pid_cgroup(5) */
async function groupsOf(pid: number | 'self'): Promise<string[]> {
  const text = (await unlessGone(readFile(`/proc/${pid}/cgroup`, 'utf8'))) ?? '';
  const paths = new Set<string>(['/']);
  for (const [, own = '/'] of text.matchAll(/^[0-9]+:(?:|[^:]*\bmemory\b[^:]*):(\/.*)$/gm)) {
    for (let path = own; path !== '/'; path = join(path, '..')) paths.add(path);
  }
  return [...paths];
}

/** What the kernel can take back at once, cached files that nobody reads, is free. No limit: infinite. */
async function groupMemoryBytes(generation: (typeof GENERATIONS)[number], path: string): Promise<number> {
  const read = async (file: string): Promise<string> => (await unlessGone(readFile(join(generation.root, path, file), 'utf8'))) ?? '';
  const [limit, usage, statistics] = await Promise.all([read(generation.limit), read(generation.usage), read('memory.stat')]);
  if (!/^[0-9]+$/.test(limit.trim())) return Number.POSITIVE_INFINITY;
  const cachedBytes = Number(new RegExp(`^${generation.cache} ([0-9]+)$`, 'm').exec(statistics)?.[1] ?? 0);
  return Math.max(0, Number(limit) - Number(usage) + cachedBytes);
}
