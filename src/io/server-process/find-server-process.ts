import { join } from 'node:path';
import { processesWithOpenFilesUnder } from '../process/open-files.ts';
import { portHolders } from '../process/port-holders.ts';
import type { ProcessEntry } from '../process/proc.ts';

/** Where a database server is meant to be: `server.address` is `host:port`. */
export type ServerPlace = { readonly dataDir: string; readonly server: { readonly address: string } };

/**
 * The server's process on this host: the one that writes the log of the directory, and of several the one that listens
 * on the port. Undefined where none runs, or only one that this user can't look at.
 */
export async function findServerProcess({ dataDir, server }: ServerPlace): Promise<ProcessEntry | undefined> {
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  if (writers.length < 2) return writers[0];
  const listening = (await portHolders(serverPort({ server }))).map(({ pid }) => pid);
  return writers.find(({ pid }) => listening.includes(pid)) ?? writers[0];
}

export function serverPort({ server }: Pick<ServerPlace, 'server'>): number {
  return Number(server.address.slice(server.address.lastIndexOf(':') + 1));
}
