import { link, readdir, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import { makeFolder, syncFolder } from '../files/durable.ts';
import { isPathPart, pathPart, rstowFolder } from './rstow-folder.ts';
import { listSegments, type SegmentFile } from './segments.ts';
import { forbidsLinks, orUndefined, unlessAbsent } from '../files/errno.ts';

export type PinId = { dataDir: string; timeline: string; runId: string };

/** With `links`, `segments` are the pinned files; their sizes are the fence. */
export type Pinned = { kind: 'links'; dir: string; segments: SegmentFile[] } | { kind: 'descriptors' };

const RUN_PREFIX = 'run-';
const ARCHIVE = 'archive';

/** A server makes no segments as fast as they are linked: after so many passes something else is wrong. */
const PASSES_MAX = 100;

/**
 * Hard-links every segment into the run's own folder, so that compaction can't take its bytes away.
 * The sizes are read when all are linked: every record acknowledged before the call lies within them.
 * `descriptors`: links can't be made here; use openSegments. Fails: data-directory-missing,
 * data-directory-replaced, data-directory-unsupported. Twice: adds the segments that came since.
 */
export async function pinSegments(id: PinId): Promise<Pinned> {
  const dir = runPinFolder(id);
  try {
    const segments = await linkSegments(join(id.dataDir, 'wal'), dir);
    return { kind: 'links', dir, segments: (await linkArchived(id, segments)) ? ((await listSegments(dir)) ?? []) : segments };
  } catch (error) {
    if (!forbidsLinks(error)) throw error;
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
    return { kind: 'descriptors' };
  }
}

/** Compaction may have taken a segment that nobody but the archive holds, until it has stored it. Whether there is one. */
async function linkArchived({ dataDir, timeline, ...id }: PinId, pinned: readonly SegmentFile[]): Promise<boolean> {
  const known = new Set(pinned.map(({ segment }) => segment));
  const archived = (await listSegments(archivePinFolder(dataDir, timeline))) ?? [];
  const lacking = archived.filter(({ segment }) => !known.has(segment));
  const dir = runPinFolder({ dataDir, timeline, ...id });
  for (const file of lacking) await linkSegment(file, join(dir, file.fileName));
  if (lacking.length > 0) await syncFolder(dir);
  return lacking.length > 0;
}

/** Links the segments of wal/ into a folder until no new one appears; returns what the folder then holds. */
export async function linkSegments(walDir: string, pinDir: string): Promise<SegmentFile[]> {
  // Without wal/ there is nothing to pin, and no folder to leave behind.
  if ((await listSegments(walDir)) === undefined) throw missingWal(walDir);
  await makeFolder(pinDir);
  let unpinned: SegmentFile[] = [];
  for (let pass = 0; pass < PASSES_MAX; pass += 1) {
    const listed = (await listSegments(walDir)) ?? [];
    const pinned = (await listSegments(pinDir)) ?? [];
    unpinned = listed.filter((file) => !isPinned(file, pinned));
    if (unpinned.length === 0) {
      await syncFolder(pinDir);
      return pinned;
    }
    for (const file of unpinned) await linkSegment(file, join(pinDir, file.fileName));
  }
  throw unpinnable(walDir, unpinned);
}

/** Lets a run's pins be those of another timeline, which the data directory continues from now on. Twice: no-op. */
export async function movePins(id: PinId, timeline: string): Promise<void> {
  const moved = runPinFolder({ ...id, timeline });
  await makeFolder(dirname(moved));
  await unlessAbsent(rename(runPinFolder(id), moved));
  await syncFolder(dirname(moved));
}

/** Removes a run's pins. Twice: no-op. */
export async function unpinSegments(id: PinId): Promise<void> {
  await rm(runPinFolder(id), { recursive: true, force: true });
}

/** The pins of all runs, for whoever clears those of closed ones; the guard's own are not among them. */
export async function listPins(dataDir: string): Promise<PinId[]> {
  const root = join(rstowFolder(dataDir), 'pins');
  const pins: PinId[] = [];
  for (const timeline of await namesIn(root)) {
    for (const name of await namesIn(join(root, timeline))) {
      if (name.startsWith(RUN_PREFIX)) pins.push({ dataDir, timeline, runId: name.slice(RUN_PREFIX.length) });
    }
  }
  return pins;
}

export function runPinFolder({ dataDir, timeline, runId }: PinId): string {
  return join(timelinePinFolder(dataDir, timeline), `${RUN_PREFIX}${pathPart(runId)}`);
}

/** The continuous archive's own pins: of segments that it has not stored whole. */
export function archivePinFolder(dataDir: string, timeline: string): string {
  return join(timelinePinFolder(dataDir, timeline), ARCHIVE);
}

/** Those of all other timelines: what wal/ holds is what is followed. Twice: no-op. */
export async function removeArchivePins(dataDir: string, exceptTimeline: string): Promise<void> {
  const root = join(rstowFolder(dataDir), 'pins');
  for (const timeline of await namesIn(root)) {
    if (timeline !== exceptTimeline) await rm(join(root, timeline, ARCHIVE), { recursive: true, force: true });
  }
}

/**
 * Gives them to another timeline, which the same files continue: what only a pin holds may not be stored yet. Those behind `last` hold
 * what is not part of it. Twice: no-op.
 */
export async function moveArchivePins(dataDir: string, { from, to, last }: { from: string; to: string; last: SegmentId }): Promise<void> {
  const [source, target] = [archivePinFolder(dataDir, from), archivePinFolder(dataDir, to)];
  await makeFolder(dirname(target));
  await orUndefined(rename(source, target), ['ENOENT', 'ENOTEMPTY', 'EEXIST']);
  for (const { segment, path } of (await listSegments(target)) ?? []) if (segment > last) await rm(path, { force: true });
  await syncFolder(dirname(target));
}

/**
 * Links one segment into a folder of pins. False if it is gone, or links can't be made here. Fails: data-directory-replaced, if another
 * file has that pin. Twice: no-op.
 */
export async function pinSegment(file: SegmentFile, folder: string): Promise<boolean> {
  try {
    await makeFolder(folder);
    await linkSegment(file, join(folder, file.fileName));
  } catch (error) {
    if (forbidsLinks(error)) return false;
    throw error;
  }
  const pin = (await listSegments(folder))?.find(({ segment }) => segment === file.segment);
  if (pin !== undefined && pin.inode !== file.inode) throw replaced(file, pin.path);
  return pin !== undefined;
}

/** The restart guard's own pins: no run touches them. */
export function guardPinFolder(dataDir: string, timeline: string): string {
  return join(timelinePinFolder(dataDir, timeline), 'guard');
}

/** The log that only pins hold any more, whoever they belong to: the server has deleted it. */
export async function pinnedOnlyBytes(dataDir: string): Promise<number> {
  const root = join(rstowFolder(dataDir), 'pins');
  const inPlace = new Set(((await listSegments(join(dataDir, 'wal'))) ?? []).map(({ inode }) => inode));
  const pinned = new Map<string, number>();
  for (const timeline of await namesIn(root)) {
    for (const name of await namesIn(join(root, timeline))) {
      for (const { inode, sizeBytes } of (await listSegments(join(root, timeline, name))) ?? []) pinned.set(inode, sizeBytes);
    }
  }
  return [...pinned].reduce((sum, [inode, sizeBytes]) => (inPlace.has(inode) ? sum : sum + sizeBytes), 0);
}

function timelinePinFolder(dataDir: string, timeline: string): string {
  return join(rstowFolder(dataDir), 'pins', pathPart(timeline));
}

function isPinned(file: SegmentFile, pinned: readonly SegmentFile[]): boolean {
  const pin = pinned.find(({ segment }) => segment === file.segment);
  if (pin !== undefined && pin.inode !== file.inode) throw replaced(file, pin.path);
  return pin !== undefined;
}

/** Absent: compaction deleted it after it was listed. There already: the next listing compares it. */
export async function linkSegment(file: SegmentFile, target: string): Promise<void> {
  // A symbolic link is followed: a link to it would be another relative path in another folder.
  const path = await unlessAbsent(realpath(file.path));
  if (path !== undefined) await orUndefined(link(path, target), ['ENOENT', 'EEXIST']);
}

async function namesIn(folder: string): Promise<string[]> {
  return ((await unlessAbsent(readdir(folder))) ?? []).filter(isPathPart).sort();
}

function missingWal(walDir: string): RstowError {
  return new RstowError('data-directory-missing', `${walDir} does not exist`, { details: { walDir } });
}

function unpinnable(walDir: string, unpinned: readonly SegmentFile[]): RstowError {
  const names = unpinned.map(({ fileName }) => fileName).slice(0, 3);
  const sentence = `${names.join(', ')} in ${walDir} can’t be pinned: each link to it is gone again`;
  return new RstowError('data-directory-unsupported', sentence, { details: { walDir, segments: names } });
}

function replaced(file: SegmentFile, target: string): RstowError {
  const sentence = `${file.path} is not the file that this run pinned as ${target}`;
  return new RstowError('data-directory-replaced', sentence, { details: { path: file.path, pin: target } });
}
