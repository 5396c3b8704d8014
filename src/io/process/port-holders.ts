import { readFile } from 'node:fs/promises';
import { socketInodeOwners } from './open-files.ts';
import { type ProcessEntry, unlessGone } from './proc.ts';

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
