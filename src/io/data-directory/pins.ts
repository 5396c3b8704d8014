import { link, readdir, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { makeFolder, syncFolder } from '../files/durable.ts';
import { isPathPart, pathPart, rstowFolder } from './rstow-folder.ts';
import { listSegments, type SegmentFile } from './segments.ts';
import { forbidsLinks, orUndefined, unlessAbsent } from '../files/errno.ts';

export type PinId = { dataDir: string; timeline: string; runId: string };

/** With `links`, `segments` are the pinned files; their sizes are the fence. */
export type Pinned = { kind: 'links'; dir: string; segments: SegmentFile[] } | { kind: 'descriptors' };

const RUN_PREFIX = 'run-';

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
    return { kind: 'links', dir, segments: await linkSegments(join(id.dataDir, 'wal'), dir) };
  } catch (error) {
    if (!forbidsLinks(error)) throw error;
    await rm(dir, { recursive: true, force: true }).catch(() => undefined);
    return { kind: 'descriptors' };
  }
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

/** The restart guard's own pins: no run touches them. */
export function guardPinFolder(dataDir: string, timeline: string): string {
  return join(timelinePinFolder(dataDir, timeline), 'guard');
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
async function linkSegment(file: SegmentFile, target: string): Promise<void> {
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
