import { lstat, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { StopNote } from '../../formats/data-directory.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { makeFolder, readSmallFile, syncFolder, writeFileDurably } from '../files/durable.ts';
import { makeRstowFolder } from './rstow-folder.ts';
import { errnoOf, orUndefined, unlessAbsent } from '../files/errno.ts';

/**
 * The server makes wal/ and snapshots/ at its start, opens wal/, then snapshots/. A plain file called
 * `snapshots` ends every start, whoever tries, and also one that was past the first step.
 * @see rstmdb 0.3.0 src/main.rs
 */
const BLOCK_NAME = 'snapshots';

/** A file with something in it while a block is in place, and none else. */
export function serverBlockPath(dataDir: string): string {
  return join(dataDir, BLOCK_NAME);
}

const BLOCK_PREFIX = 'rstow: no start while rstow has the server down';

/** Servers that begin in the gap between the two renames make the folder again; each is soon proved stopped. */
const ATTEMPTS_MAX = 20;
const SAVED_NAME = /^snapshots(-[0-9]+)?$/;

/**
 * Moves snapshots/ aside and lets no server start from now on. One that was already running goes on: prove
 * afterwards that none does. Fails: data-directory-unsupported, service-stop-failed. Twice: no-op.
 */
export async function blockServer(dataDir: string, note: StopNote): Promise<void> {
  const aside = join(dataDir, note.kind === 'swap' ? note.replacedDir : note.asideDir);
  const temporaryPath = join(await makeRstowFolder(dataDir), 'snapshots-block.tmp');
  await makeFolder(aside);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    if (await isServerBlocked(dataDir)) {
      await syncFolder(dataDir);
      return;
    }
    await moveSnapshotsAside(dataDir, aside);
    const text = `${BLOCK_PREFIX} (run ${note.runId}); rstow removes this file itself\n`;
    const placed = writeFileDurably(serverBlockPath(dataDir), text, { mode: 0o644, temporaryPath }).then(() => true);
    if ((await orUndefined(placed, ['EISDIR'])) === true) return;
  }
  throw new RstowError('service-stop-failed', `something makes ${serverBlockPath(dataDir)} again and again`, { details: { dataDir } });
}

/** Fails: data-directory-unsupported where a plain file that isn't ours has the name. */
export async function isServerBlocked(dataDir: string): Promise<boolean> {
  const path = serverBlockPath(dataDir);
  const entry = await unlessAbsent(lstat(path));
  if (entry === undefined || entry.isDirectory() || entry.isSymbolicLink()) return false;
  if (entry.isFile() && (await readSmallFile(path))?.startsWith(BLOCK_PREFIX) === true) return true;
  throw new RstowError('data-directory-unsupported', `${path} is not a folder, so no server can start on it`, { details: { path } });
}

/**
 * Lets servers start again, with the snapshots that `snapshotsFrom` holds, if any: those of the wal/ in
 * place. Call it when wal/ is in place and durable. Twice: no-op.
 */
export async function unblockServer(dataDir: string, snapshotsFrom: string): Promise<void> {
  const path = serverBlockPath(dataDir);
  if (await isServerBlocked(dataDir)) await rm(path, { force: true });
  const saved = (await savedSnapshots(snapshotsFrom)).at(-1);
  // A server that has started meanwhile keeps its own: it needs none of them to start.
  if (saved !== undefined) await orUndefined(rename(saved, path), ['ENOTEMPTY', 'EEXIST', 'ENOTDIR']);
  await syncFolder(dataDir);
  await unlessAbsent(syncFolder(snapshotsFrom));
}

/** An empty folder is removed; others are kept side by side, for a server may have made a second one meanwhile. */
async function moveSnapshotsAside(dataDir: string, aside: string): Promise<void> {
  const path = serverBlockPath(dataDir);
  try {
    await rmdir(path);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return;
    if (errno !== 'ENOTEMPTY' && errno !== 'EEXIST' && errno !== 'ENOTDIR') throw error;
    const number = (await savedSnapshots(aside)).length + 1;
    await unlessAbsent(rename(path, join(aside, number === 1 ? 'snapshots' : `snapshots-${number}`)));
    await syncFolder(aside);
  }
}

/** Oldest first. */
async function savedSnapshots(folder: string): Promise<string[]> {
  const names = ((await unlessAbsent(readdir(folder))) ?? []).filter((name) => SAVED_NAME.test(name));
  return names.sort((a, b) => a.length - b.length || (a < b ? -1 : 1)).map((name) => join(folder, name));
}
