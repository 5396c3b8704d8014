import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { unlessAbsent } from './system-error.ts';

/** Whether the server has written any snapshot; they are for rescue only, for it never reads them at its start. */
export async function hasSnapshots(dataDir: string): Promise<boolean> {
  const names = await unlessAbsent(readdir(join(dataDir, 'snapshots')));
  return names?.some((name) => name.endsWith('.snap')) ?? false;
}
