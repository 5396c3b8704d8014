import { link, lstat, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type GuardFileContent, guardFileSchema } from '../../formats/data-directory.ts';
import { FIRST_TIMELINE } from '../../formats/repository/history.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { makeFolder, readSmallFile, syncFolder, writeFileDurably } from '../files/durable.ts';
import { orUndefined, unlessAbsent } from '../files/errno.ts';
import { guardPinFolder, linkSegment } from './pins.ts';
import { isPathPart, readTimelineFile, rstowFolder } from './rstow-folder.ts';
import { listSegments, type SegmentFile } from './segments.ts';

/** A guard's pin: another name of a segment's file. */
export type PinFile = SegmentFile & { /** Unix ms, of its last new or deleted name, or its last byte. */ changedAtMs: number };

/** Why no hard links can keep the segments of this directory; undefined if they can, as far as one can see. */
export async function guardObstacle(dataDir: string): Promise<string | undefined> {
  const walDir = join(dataDir, 'wal');
  const entry = await unlessAbsent(lstat(walDir, { bigint: true }));
  if (entry === undefined) return undefined;
  if (entry.isSymbolicLink()) return `${walDir} is a symbolic link`;
  if (!entry.isDirectory()) return `${walDir} is no folder`;
  const { dev } = await stat(dataDir, { bigint: true });
  return dev === entry.dev ? undefined : `${walDir} is a mount point`;
}

/** Which history's pins those of this wal/ are. Fails: timeline-diverged. */
export async function guardTimeline(walDir: string): Promise<string> {
  return (await readTimelineFile(walDir))?.timeline ?? FIRST_TIMELINE;
}

export async function listGuardPins(folder: string): Promise<PinFile[]> {
  const pins = await Promise.all(
    ((await listSegments(folder)) ?? []).map(async (file) => {
      const stats = await unlessAbsent(stat(file.path));
      return stats === undefined ? undefined : { ...file, changedAtMs: stats.ctimeMs };
    }),
  );
  return pins.filter((pin) => pin !== undefined);
}

/** Pins segments of wal/. Durable when it returns. Twice: no-op. Fails as link(2) does, if this disk has no links. */
export async function addGuardPins(files: readonly SegmentFile[], folder: string): Promise<void> {
  await makeFolder(folder);
  for (const file of files) await linkSegment(file, join(folder, file.fileName));
  await syncFolder(folder);
}

/** Gives deleted segments their names in wal/ again. Durable when it returns. Twice: no-op. */
export async function linkBack(pins: readonly PinFile[], walDir: string): Promise<void> {
  for (const pin of pins) await orUndefined(link(pin.path, join(walDir, pin.fileName)), ['EEXIST']);
  await syncFolder(walDir);
}

/** Takes names out of wal/ again; the pins stay. Durable when it returns. Twice: no-op. */
export async function takeOut(segments: readonly SegmentId[], walDir: string): Promise<void> {
  for (const segment of segments) await rm(join(walDir, segmentFileName(segment)), { force: true });
  await syncFolder(walDir);
}

const FILE_NAME = 'guard.json';

/** Undefined if the guard has noted nothing yet, null if what it has noted can't be read. */
export async function readGuardFile(folder: string): Promise<GuardFileContent | null | undefined> {
  const text = await readSmallFile(join(folder, FILE_NAME));
  if (text === undefined) return undefined;
  try {
    return guardFileSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Durable when it returns. Twice: same file. */
export async function writeGuardFile(folder: string, content: GuardFileContent): Promise<void> {
  await makeFolder(folder);
  const path = join(folder, FILE_NAME);
  await writeFileDurably(path, `${JSON.stringify(guardFileSchema.encode(content))}\n`, { mode: 0o600, temporaryPath: `${path}.tmp` });
}

/** The histories whose segments a guard has pinned in this directory. */
export async function guardedTimelines(dataDir: string): Promise<string[]> {
  const names = (await unlessAbsent(readdir(join(rstowFolder(dataDir), 'pins')))) ?? [];
  const folders = names.filter(isPathPart).map((timeline) => ({ timeline, folder: guardPinFolder(dataDir, timeline) }));
  const found = await Promise.all(
    folders.map(async ({ timeline, folder }) => ((await unlessAbsent(lstat(folder))) ? timeline : undefined)),
  );
  return found.filter((timeline) => timeline !== undefined);
}

/** Gives the pins of a history, and what is noted of them, to another one that has none. Durable when it returns. */
export async function moveGuardPins(dataDir: string, { from, to }: { from: string; to: string }): Promise<void> {
  const [source, target] = [guardPinFolder(dataDir, from), guardPinFolder(dataDir, to)];
  await makeFolder(dirname(target));
  await rename(source, target);
  await syncFolder(dirname(target));
  await syncFolder(dirname(source));
}

/** Drops the pins of a history. Twice: no-op. */
export async function removeGuardPins(dataDir: string, timeline: string): Promise<void> {
  await rm(guardPinFolder(dataDir, timeline), { recursive: true, force: true });
}
