import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { makeFolder, syncFolder } from '../files/durable.ts';
import { errnoOf, unlessAbsent, writeFailure } from '../files/errno.ts';
import { restoreFolderName } from './rstow-folder.ts';

/** Where a restore keeps what comes in, what it replaced, what it tries, and what was rolled back; absolute. */
export type RestorePaths = { root: string; wal: string; replaced: string; rehearsal: string; rejected: string };

export function restorePaths(dataDir: string, runId: string): RestorePaths {
  const root = join(dataDir, restoreFolderName(runId));
  return {
    root,
    wal: join(root, 'wal'),
    replaced: join(root, 'replaced'),
    rehearsal: join(root, 'rehearsal'),
    rejected: join(root, 'rejected'),
  };
}

/** `content` is asked only where the segment isn't there yet; it throws where its bytes turn out to be wrong. */
export type StagedSegment = {
  walDir: string;
  segment: SegmentId;
  sizeBytes: number;
  content: () => AsyncIterable<Uint8Array>;
  signal?: AbortSignal | undefined;
};

const PARTIAL = /\.wal\.[0-9a-f-]{36}\.partial$/;

/**
 * Writes one whole segment; its name appears when its bytes are durable, and is durable itself once the folder is synced.
 * Fails: damaged-object (other than `sizeBytes`), not-enough-space. Twice: a segment of that size is kept, a partial one
 * begins anew, under a name of its own.
 */
export async function writeStagedSegment(staged: StagedSegment): Promise<'written' | 'kept'> {
  const path = join(staged.walDir, segmentFileName(staged.segment));
  await makeFolder(staged.walDir);
  if ((await unlessAbsent(stat(path)))?.size === staged.sizeBytes) return 'kept';
  const partialPath = `${path}.${randomUUID()}.partial`;
  try {
    await writePartial(partialPath, staged);
  } catch (error) {
    await rm(partialPath, { force: true });
    throw writeFailure(error, path);
  }
  await rename(partialPath, path);
  return 'written';
}

/** Removes what attempts that died have left, and makes every name durable. Twice: no-op. */
export async function closeStaging(walDir: string): Promise<void> {
  const left = (await readdir(walDir)).filter((name) => PARTIAL.test(name));
  for (const name of left) await rm(join(walDir, name), { force: true });
  await syncFolder(walDir);
}

async function writePartial(path: string, { content, sizeBytes, signal }: StagedSegment): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    let writtenBytes = 0;
    for await (const chunk of content()) {
      signal?.throwIfAborted();
      // Not handle.write, which may write a part only.
      await handle.writeFile(chunk);
      writtenBytes += chunk.length;
    }
    if (writtenBytes !== sizeBytes) throw wrongSize(path, writtenBytes, sizeBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function wrongSize(path: string, writtenBytes: number, sizeBytes: number): RstowError {
  const sentence = `${path} got ${writtenBytes} bytes where the plan says ${sizeBytes}`;
  return new RstowError('damaged-object', sentence, { details: { path, writtenBytes, sizeBytes } });
}

/**
 * Renames the run's staged wal/ into a directory that has none. Fails: target-not-empty, where somebody has put
 * another there meanwhile. Twice: no-op.
 */
export async function placeStagedWal(dataDir: string, runId: string): Promise<void> {
  const { wal: staged, root } = restorePaths(dataDir, runId);
  if ((await unlessAbsent(stat(staged))) === undefined) return;
  const wal = join(dataDir, 'wal');
  try {
    await rename(staged, wal);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error;
    throw new RstowError('target-not-empty', `${wal} was made by somebody else meanwhile`, { details: { wal }, cause: error });
  }
  await syncFolder(root);
  await syncFolder(dataDir);
}
