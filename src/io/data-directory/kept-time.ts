import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { readSmallFile } from '../files/durable.ts';

/** So many digits hold any number of milliseconds, and a file that never grows can be written on a full disk. */
const DIGITS = 16;

/** Says how long a restore's folder has been kept: the time that agents have counted, whatever the clock said meanwhile. */
export function keptFile(restoreRoot: string): string {
  return join(restoreRoot, 'kept-ms');
}

/** Zero where nothing was counted yet, or what was can't be read: then the time begins anew. */
export async function readKeptMs(restoreRoot: string): Promise<number> {
  const text = (await readSmallFile(keptFile(restoreRoot))) ?? '';
  return /^\d{16}$/.test(text) ? Number(text) : 0;
}

/** Gives the new sum. Durable when it returns. */
export async function addKeptMs(restoreRoot: string, passedMs: number): Promise<number> {
  const keptMs = (await readKeptMs(restoreRoot)) + Math.max(0, Math.round(passedMs));
  const handle = await open(keptFile(restoreRoot), constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    await handle.write(String(keptMs).padStart(DIGITS, '0'), 0);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  return keptMs;
}
