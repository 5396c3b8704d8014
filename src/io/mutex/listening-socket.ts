/** Which process listens on an abstract socket, by what the kernel says, for a holder that says nothing. */
import { readFile } from 'node:fs/promises';
import { socketInodeOwners } from '../process/open-files.ts';

/** The flag of a socket that accepts connections, as opposed to one end of a connection. @see linux/net.h __SO_ACCEPTCON */
const listeningFlag = 0x10000;

/** Undefined when nobody listens. In the kernel's list NUL is written as `@`. */
export async function listeningSocketInode(socketName: string): Promise<number | undefined> {
  const path = socketName.replace('\0', '@');
  const lines = (await readFile('/proc/net/unix', 'utf8')).split('\n');
  for (const line of lines) {
    const [, , , flags, , , inode, name] = line.split(/\s+/);
    if (name === path && (Number.parseInt(flags ?? '', 16) & listeningFlag) !== 0) return Number(inode);
  }
  return undefined;
}

/**
 * SIGKILLs who holds the socket, except ourselves: it ends stopped processes too, and the kernel frees the socket.
 * Returns whether anybody was ended: a process of another user or another container can't be.
 */
export async function killSocketOwners(inode: number): Promise<boolean> {
  const owners = (await socketInodeOwners(inode)).filter(({ pid }) => pid !== process.pid);
  return owners.map(({ pid }) => kill(pid)).includes(true);
}

function kill(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}
