import { readdir, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { type Mount, parseMounts, placeOnDevice } from '../files/mounts.ts';
import { livingProcesses, type ProcessEntry, unlessGone } from './proc.ts';

type OpenFilesQuery = {
  /** Leaves the caller itself out. */
  readonly ignorePid?: number;
  /** Leaves out who only reads: a backup, an archiver, a person with `tail`. */
  readonly writersOnly?: boolean;
};

/**
 * Living processes that hold `directory` or a file below it open, deleted files included, also those that see it at
 * another path, such as in a container. Sees the caller's own user's processes, as root everybody's.
 */
export async function processesWithOpenFilesUnder(directory: string, query: OpenFilesQuery = {}): Promise<ProcessEntry[]> {
  const isBelow = await pathsBelow((await unlessGone(realpath(directory))) ?? directory);
  const matches = async (pid: number, descriptor: string): Promise<boolean> => {
    const path = (await descriptorTarget(pid, descriptor))?.replace(/ \(deleted\)$/, '');
    if (path?.startsWith('/') !== true || !(await isBelow(pid, path))) return false;
    return query.writersOnly !== true || (await isOpenForWriting(pid, descriptor));
  };
  return livingProcesses(async (pid) => pid !== query.ignorePid && (await hasDescriptor(pid, matches)));
}

/**
 * Whether a path of a process is the folder's or lies below it. One with another mount table than ours calls it otherwise:
 * there the places on the disk are compared.
 */
async function pathsBelow(folder: string): Promise<(pid: number, path: string) => Promise<boolean>> {
  const own = await mountNamespaceOf('self');
  const place = placeOnDevice(await mountsOf('self'), folder);
  const tables = new Map<string, Mount[]>();
  const tableOf = async (pid: number, namespace: string): Promise<Mount[]> => {
    const known = tables.get(namespace) ?? (await mountsOf(pid));
    // Of a process that is gone there is none; another may live in the same namespace.
    if (known.length > 0) tables.set(namespace, known);
    return known;
  };
  return async (pid, path) => {
    const namespace = await mountNamespaceOf(pid);
    if (namespace === undefined || namespace === own) return isAtOrBelow(path, folder);
    return isAtOrBelow(placeOnDevice(await tableOf(pid, namespace), path), place);
  };
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function mountNamespaceOf(pid: number | 'self'): Promise<string | undefined> {
  return unlessGone(readlink(`/proc/${pid}/ns/mnt`));
}

async function mountsOf(pid: number | 'self'): Promise<Mount[]> {
  return parseMounts((await unlessGone(readFile(`/proc/${pid}/mountinfo`, 'utf8'))) ?? '');
}

/** Living processes that hold the socket with this inode number open. */
export async function socketInodeOwners(inode: number): Promise<ProcessEntry[]> {
  const target = `socket:[${inode}]`;
  return livingProcesses((pid) => hasDescriptor(pid, async (owner, descriptor) => (await descriptorTarget(owner, descriptor)) === target));
}

/** `device:inode` of every file that the process has open; none if it is gone, or another user's. */
export async function openInodes(pid: number): Promise<Set<string>> {
  const descriptors = (await unlessGone(readdir(`/proc/${pid}/fd`))) ?? [];
  const opened = await Promise.all(descriptors.map((descriptor) => unlessGone(stat(`/proc/${pid}/fd/${descriptor}`, { bigint: true }))));
  return new Set(opened.flatMap((stats) => (stats === undefined ? [] : [`${stats.dev}:${stats.ino}`])));
}

async function hasDescriptor(pid: number, matches: (pid: number, descriptor: string) => Promise<boolean>): Promise<boolean> {
  const descriptors = (await unlessGone(readdir(`/proc/${pid}/fd`))) ?? [];
  return (await Promise.all(descriptors.map((descriptor) => matches(pid, descriptor)))).includes(true);
}

async function descriptorTarget(pid: number, descriptor: string): Promise<string | undefined> {
  return unlessGone(readlink(`/proc/${pid}/fd/${descriptor}`));
}

/** The flags are octal; the last two bits are the access mode, 0 for reading only. @see proc_pid_fdinfo(5) */
async function isOpenForWriting(pid: number, descriptor: string): Promise<boolean> {
  const text = (await unlessGone(readFile(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8'))) ?? '';
  const flags = /^flags:\s*([0-7]+)$/m.exec(text)?.[1] ?? '0';
  return (Number.parseInt(flags, 8) & 3) !== 0;
}

/** @see proc_net_tcp(5) */
const LISTENING = '0A';

/** Living processes that listen on the TCP port, whatever the address; as another user's they can't be seen. */
export async function portHolders(port: number): Promise<ProcessEntry[]> {
  const holders = new Map<number, ProcessEntry>();
  for (const inode of await listeningInodes(port)) {
    for (const holder of await socketInodeOwners(inode)) holders.set(holder.pid, holder);
  }
  return [...holders.values()];
}

async function listeningInodes(port: number): Promise<number[]> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes: number[] = [];
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    for (const line of ((await unlessGone(readFile(table, 'utf8'))) ?? '').split('\n')) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (local?.endsWith(wanted) === true && state === LISTENING) inodes.push(Number(inode));
    }
  }
  return inodes;
}
