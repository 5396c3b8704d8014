import { readFile } from 'node:fs/promises';

export type ListeningSocket = { host: string; port: number };

const LISTENING = '0A';

/** Every TCP socket that listens in the network of this process, which is ours where none is named. Linux only. */
export async function listeningSockets(pid: number | 'self' = 'self'): Promise<ListeningSocket[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')));
  const rows = tables.flatMap((table) => table.trim().split('\n').slice(1));
  return rows.map((row) => row.trim().split(/\s+/)).flatMap(([, local = '', , state]) => (state === LISTENING ? [socketOf(local)] : []));
}

/** `0100007F:1F90` is 127.0.0.1:8080; an address of IPv6 stays as it is written. */
function socketOf(local: string): ListeningSocket {
  const [address = '', port = ''] = local.split(':');
  const host = address.length === 8 ? [...Buffer.from(address, 'hex')].reverse().join('.') : address;
  return { host, port: Number.parseInt(port, 16) };
}
