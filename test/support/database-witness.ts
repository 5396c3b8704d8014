/** Whether a database is as it was: its files, its server, and nothing of a run left beside them. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { rstowFolder } from '../../src/io/data-directory/rstow-folder.ts';
import { processesWithOpenFilesUnder } from '../../src/io/process/open-files.ts';

export type DatabaseState = { files: string; servers: number[] };

/** A hash over every file but rstow's own, and who has files of wal/ open. */
export async function databaseState(dataDir: string): Promise<DatabaseState> {
  const hash = createHash('sha256');
  for (const name of await filesIn(dataDir)) hash.update(`${name}\0`).update(await readFile(join(dataDir, name)));
  const holders = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid });
  return { files: hash.digest('hex'), servers: holders.map(({ pid }) => pid).sort((one, other) => one - other) };
}

/**
 * Fails where a run has left pins, staged data, a stop note, or the file that keeps servers from starting. What a
 * roll-back took out again is kept for its time.
 */
export async function expectNothingLeft(dataDir: string, { rolledBack = false } = {}): Promise<void> {
  if (rolledBack) await removeRejected(dataDir);
  const left = await namesIn(rstowFolder(dataDir), { recursive: true });
  // Empty folders of the pins stay for the next run, and the restart guard's are no run's.
  expect(left.filter((name) => !/^pins(\/[0-9]+(\/guard(\/.*)?)?)?$/.test(name))).toEqual([]);
  expect(await namesIn(join(dataDir, 'wal'))).not.toEqual([]);
  const snapshots = (await readdir(dataDir, { withFileTypes: true })).find(({ name }) => name === 'snapshots');
  expect(snapshots?.isFile()).not.toBe(true);
}

/** Nothing but rejected data may lie in the runs' folders: then they can be removed, too. */
async function removeRejected(dataDir: string): Promise<void> {
  const restores = join(rstowFolder(dataDir), 'restores');
  for (const runId of await namesIn(restores)) {
    await rm(join(restores, runId, 'rejected'), { recursive: true });
    for (const folder of ['replaced', '.']) await rmdir(join(restores, runId, folder));
  }
  await rmdir(restores);
}

async function filesIn(dataDir: string): Promise<string[]> {
  const entries = await readdir(dataDir, { recursive: true, withFileTypes: true });
  const names = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(dataDir.length + 1));
  return names.filter((name) => !name.startsWith('.rstow/')).sort();
}

async function namesIn(folder: string, options: { recursive?: boolean } = {}): Promise<string[]> {
  try {
    return (await readdir(folder, { recursive: options.recursive === true })).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
