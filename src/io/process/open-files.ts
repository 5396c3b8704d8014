import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { livingProcesses, type ProcessEntry, unlessGone } from './proc.ts';

type OpenFilesQuery = {
  /** Leaves the caller itself out. */
  readonly ignorePid?: number;
  /** Leaves out who only reads: a backup, an archiver, a person with `tail`. */
  readonly writersOnly?: boolean;
};

/**
 * Living processes that hold `directory` or a file below it open, deleted files included. Sees the
 * caller's own user's processes, as root everybody's.
 */
export async function processesWithOpenFilesUnder(directory: string, query: OpenFilesQuery = {}): Promise<ProcessEntry[]> {
  const folder = (await unlessGone(realpath(directory))) ?? directory;
  const matches = async (pid: number, descriptor: string): Promise<boolean> => {
    const path = (await descriptorTarget(pid, descriptor))?.replace(/ \(deleted\)$/, '');
    if (path !== folder && path?.startsWith(`${folder}/`) !== true) return false;
    return query.writersOnly !== true || (await isOpenForWriting(pid, descriptor));
  };
  return livingProcesses(async (pid) => pid !== query.ignorePid && (await hasDescriptor(pid, matches)));
}

/** Living processes that hold the socket with this inode number open. */
export async function socketInodeOwners(inode: number): Promise<ProcessEntry[]> {
  const target = `socket:[${inode}]`;
  return livingProcesses((pid) => hasDescriptor(pid, async (owner, descriptor) => (await descriptorTarget(owner, descriptor)) === target));
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
