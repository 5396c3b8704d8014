import { type FileHandle, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentFileName, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { unlessAbsent } from '../files/errno.ts';

/** A WAL segment's file as it was seen. `sizeBytes` only grows; `inode` tells it from a look-alike. */
export type SegmentFile = { segment: SegmentId; fileName: string; path: string; sizeBytes: number; inode: string };

/** A segment that stays readable though its name is deleted. */
type OpenSegment = SegmentFile & { handle: FileHandle };

export type OpenSegments = AsyncDisposable & { segments: readonly OpenSegment[] };

/** The segments of a folder by number, foreign files left out; undefined where the folder is missing. */
export async function listSegments(walDir: string): Promise<SegmentFile[] | undefined> {
  const names = await unlessAbsent(readdir(walDir));
  if (names === undefined) return undefined;
  const files = await Promise.all(names.map(async (fileName) => describeSegment(walDir, fileName)));
  return files.filter((file) => file !== undefined).sort((a, b) => a.segment - b.segment);
}

/**
 * Opens every segment, for file systems without hard links. The sizes are the fence: they are read after
 * all are open, and hold every record that was acknowledged before the call. Undefined where wal/ is missing.
 */
export async function openSegments(walDir: string): Promise<OpenSegments | undefined> {
  const opened = new Map<string, FileHandle>();
  const dispose = async (): Promise<void> => {
    await Promise.all([...opened.values()].map(async (handle) => handle.close()));
  };
  try {
    for (;;) {
      const listed = await listSegments(walDir);
      if (listed === undefined) return undefined;
      const unseen = listed.filter((file) => !opened.has(file.fileName));
      if (unseen.length === 0) break;
      for (const file of unseen) {
        // Absent: compaction deleted it after it was listed.
        const handle = await unlessAbsent(open(file.path, 'r'));
        if (handle !== undefined) opened.set(file.fileName, handle);
      }
    }
    const segments = await Promise.all([...opened].map(async ([fileName, handle]) => describeOpened(walDir, fileName, handle)));
    return { segments: segments.sort((a, b) => a.segment - b.segment), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function describeSegment(walDir: string, fileName: string): Promise<SegmentFile | undefined> {
  const segment = parseSegmentFileName(fileName);
  if (segment === undefined) return undefined;
  const path = join(walDir, fileName);
  const stats = await unlessAbsent(stat(path, { bigint: true }));
  if (stats === undefined || !stats.isFile()) return undefined;
  return { segment, fileName, path, sizeBytes: Number(stats.size), inode: stats.ino.toString() };
}

async function describeOpened(walDir: string, fileName: string, handle: FileHandle): Promise<OpenSegment> {
  const stats = await handle.stat({ bigint: true });
  const segment = parseSegmentFileName(fileName) as SegmentId;
  return { segment, fileName, path: join(walDir, fileName), sizeBytes: Number(stats.size), inode: stats.ino.toString(), handle };
}

/**
 * Ends a copied log at a record boundary of its last segment: longer files are cut, later ones removed. Never one that
 * a server has open. Twice: no-op.
 */
export async function cutLog(walDir: string, last: { segment: SegmentId; endBytes: number }): Promise<void> {
  for (const { segment, path } of (await listSegments(walDir)) ?? []) {
    if (segment > last.segment) await rm(path);
  }
  const path = join(walDir, segmentFileName(last.segment));
  if ((await stat(path)).size > last.endBytes) await truncate(path, last.endBytes);
}

/** Ends a segment's file behind its last whole record, durably. Never one that a server has open. Twice: no-op. */
export async function cutSegment(path: string, endBytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    if ((await handle.stat()).size > endBytes) await handle.truncate(endBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
