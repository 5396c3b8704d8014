import { readdir, readFile, readlink, realpath } from 'node:fs/promises';
import { livingProcesses, unlessGone, type ProcessEntry } from './proc.ts';

export type OpenFilesQuery = {
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
