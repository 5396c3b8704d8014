import { readdir, readFile, readlink } from 'node:fs/promises';
import { unlessGone } from '../../src/io/process/proc.ts';

export type ListeningSocket = { host: string; port: number; inode: string };

const LISTENING = '0A';

/** Every TCP socket that listens in the network of this process, which is ours where none is named. Linux only. */
export async function listeningSockets(pid: number | 'self' = 'self'): Promise<ListeningSocket[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')));
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1)).map((row) => row.trim().split(/\s+/));
  return rows.filter((cells) => cells[3] === LISTENING).map((cells) => socketOf(cells[1] ?? '', cells[9] ?? ''));
}

/** Those that this very process has open. */
export async function listeningSocketsOf(pid: number): Promise<ListeningSocket[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`);
  const targets = await Promise.all(descriptors.map((descriptor) => unlessGone(readlink(`/proc/${pid}/fd/${descriptor}`))));
  return (await listeningSockets(pid)).filter(({ inode }) => targets.includes(`socket:[${inode}]`));
}

/** `0100007F:1F90` is 127.0.0.1:8080; an address of IPv6 stays as it is written. */
function socketOf(local: string, inode: string): ListeningSocket {
  const [address = '', port = ''] = local.split(':');
  const host = address.length === 8 ? [...Buffer.from(address, 'hex')].reverse().join('.') : address;
  return { host, port: Number.parseInt(port, 16), inode };
}
