import { existsSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StreamPiece } from '../../core/repository/stream-piece.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { archivePinFolder, pinSegment } from '../../io/data-directory/pins.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { noteSource, seenSource, type Source } from '../backup/noted-source.ts';
import { checkContinues } from '../backup/source-continuity.ts';
import { type ArchivedLog, type FollowedLog, readArchivedLog } from './archived-log.ts';
import type { OwnerCheck } from './owner-check.ts';

/** What a follower knows between two looks. */
export type FollowerState = {
  log: ArchivedLog;
  /** When the repository was listed last, by `performance.now()`. */
  listedAtMs: number;
  /** When the files were listed last (Unix ms); 0 if never. */
  lookedAtMs: number;
  /** How long each file was when it was stored last: one that has not grown since isn't read. */
  stored: Map<SegmentId, number>;
  /** Where what is stored of it without a hole ends, if that is known: nothing else has to be looked through for what a file has grown. */
  ends: Map<SegmentId, number>;
  /** The files in wal/ as they were listed last. */
  seen: Map<SegmentId, SegmentFile>;
  pinned: Set<SegmentId>;
  /** When the folder had changed last, as its segments were pinned. */
  pinnedAtNs: bigint;
  /** What was put since each listing that is under way has begun. */
  relisted: Set<StreamPiece[]>;
  /** Whose files have something that is no record, in a sentence: what stands behind it isn't stored. */
  damaged: Map<SegmentId, string>;
  /** What was said, and when by `performance.now()`. */
  saidAtMs: Map<string, number>;
  /** What was lost for good, and was said so, also by an earlier follower. */
  holes: Set<string>;
  owner: OwnerCheck;
  /** The newest segment that has a record. */
  newest: SegmentId;
};

export const sourceOf = ({ deps, store, timeline, database }: FollowedLog): Source => ({ deps, store, timeline, walDir: database.walDir });

/** The files in wal/, if they continue what is archived; of a segment that compaction has taken the pin is left. Fails: timeline-diverged, source-damaged. */
export async function continuingFiles(followed: FollowedLog, log: ArchivedLog): Promise<SegmentFile[]> {
  const { store, timeline, database, run } = followed;
  const stored = log.all();
  const files = (await listSegments(database.walDir)) ?? [];
  const isThorough = (await seenSource(sourceOf(followed)))?.isSameBoot !== true;
  await checkContinues(
    { store, timeline, runId: run.runId, recalls: true },
    {
      files: files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes })),
      pathOf: (segment) => join(database.walDir, segmentFileName(segment)),
      newest: files.at(-1)?.segment ?? (0 as SegmentId),
      stored,
      isThorough,
    },
  );
  return files;
}

/** What is stored comes from this process. */
const LISTED_MS = 3_600_000;

/** The listing anew, or as it is remembered where calls cost. It may lack what a look has put meanwhile. */
export async function relist({ store, timeline }: FollowedLog, state: FollowerState, isAnew: boolean): Promise<void> {
  const put: StreamPiece[] = [];
  state.relisted.add(put);
  try {
    const log = await readArchivedLog(store, timeline, isAnew ? 0 : LISTED_MS);
    if (isAnew) state.listedAtMs = performance.now();
    for (const piece of put) log.added(piece);
    state.log = log;
  } finally {
    state.relisted.delete(put);
  }
}

/** Pins that are copies, as they are in a directory that was copied, say nothing of the files in wal/. Twice: no-op. */
export async function ownPins({ database, timeline }: FollowedLog, files: readonly SegmentFile[]): Promise<SegmentId[]> {
  const inodes = new Map(files.map(({ segment, inode }) => [segment, inode]));
  const pins = (await listSegments(archivePinFolder(database.dataDir, timeline))) ?? [];
  const isOwn = ({ segment, inode }: SegmentFile): boolean => (inodes.get(segment) ?? inode) === inode;
  for (const pin of pins) if (!isOwn(pin)) await rm(pin.path, { force: true });
  return pins.filter(isOwn).map(({ segment }) => segment);
}

/** False if a file is not the one that was there before, or has lost bytes. */
export async function areSameFiles(followed: FollowedLog, { seen }: FollowerState, listed: readonly SegmentFile[]): Promise<boolean> {
  const isOther = ({ segment, inode, sizeBytes }: SegmentFile): boolean => {
    const before = seen.get(segment);
    return before !== undefined && (before.inode !== inode || before.sizeBytes > sizeBytes);
  };
  if (listed.some(isOther)) return false;
  if (listed.some(({ segment }) => !seen.has(segment))) await noteSource(sourceOf(followed));
  for (const file of listed) seen.set(file.segment, file);
  return true;
}

/** A folder may change once more within the same tick of the clock that stamps it. */
const STAMP_DOUBT_MS = 100;

/** Pins the segments that were begun since the last look: compaction may take one before the next. Cheap if wal/ has not changed. */
export async function pinNew(followed: FollowedLog, state: FollowerState, isSameHistory: () => Promise<boolean>): Promise<void> {
  const { walDir } = followed.database;
  const { mtimeNs, mtimeMs } = await stat(walDir, { bigint: true });
  if (mtimeNs === state.pinnedAtNs || !(await isSameHistory())) return;
  await pinLacking(followed, state, (await listSegments(walDir)) ?? []);
  if (Date.now() - Number(mtimeMs) > STAMP_DOUBT_MS) state.pinnedAtNs = mtimeNs;
}

async function pinLacking({ database, timeline, first }: FollowedLog, state: FollowerState, files: readonly SegmentFile[]): Promise<void> {
  for (const file of files) {
    if (file.segment < first || state.pinned.has(file.segment) || state.stored.get(file.segment) === file.sizeBytes) continue;
    if (await pinSegment(file, archivePinFolder(database.dataDir, timeline))) state.pinned.add(file.segment);
  }
}

/** The segments in wal/, pinned from first sight until they are stored whole; and those that only a pin holds by now. */
export async function heldFiles(followed: FollowedLog, state: FollowerState, listedFiles: readonly SegmentFile[]): Promise<SegmentFile[]> {
  const { database, timeline, first } = followed;
  const files = listedFiles.filter(({ segment }) => segment >= first);
  const folder = archivePinFolder(database.dataDir, timeline);
  await pinLacking(followed, state, files);
  const listed = new Set(files.map(({ segment }) => segment));
  if ([...state.pinned].every((segment) => listed.has(segment))) return [...files];
  const onlyPinned = ((await listSegments(folder)) ?? []).filter(({ segment }) => !listed.has(segment));
  return [...files, ...onlyPinned].sort((one, other) => one.segment - other.segment);
}

/** Where a segment is read: its pin, or its file if it has none. */
export function pathIn({ database, timeline }: Pick<FollowedLog, 'database' | 'timeline'>, segment: SegmentId): string {
  const pinned = join(archivePinFolder(database.dataDir, timeline), segmentFileName(segment));
  return existsSync(pinned) ? pinned : join(database.walDir, segmentFileName(segment));
}

type Said = { kind: 'archive-stalled' | 'archive-locked'; code: string; sentence: string };

/** What lasts is said again so often: an alert of it counts for an hour. */
const SAID_AGAIN_MS = 1_800_000;

export function say({ deps, database }: FollowedLog, { saidAtMs }: FollowerState, fact: Said): void {
  if (performance.now() - (saidAtMs.get(fact.sentence) ?? -SAID_AGAIN_MS) < SAID_AGAIN_MS) return;
  saidAtMs.set(fact.sentence, performance.now());
  deps.events.record({ ...fact, database: database.name });
}
