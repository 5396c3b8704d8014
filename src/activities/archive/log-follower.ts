import { stat } from 'node:fs/promises';
import { lackingRanges, PACK_SIZE_BYTES, wholeUntil } from '../../core/archive/tidying.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { TimeWindow } from '../../core/repository/stream-piece.ts';
import type { ScanEnd } from '../../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { timelineFilePath } from '../../io/data-directory/rstow-folder.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { byteProgress } from '../../replay/progress.ts';
import { createRecordCut } from '../../store/record-cut.ts';
import { noteSource } from '../backup/noted-source.ts';
import { lackingBytes, storeSegment } from '../backup/store-segments.ts';
import { type FollowedLog, readArchivedLog } from './archived-log.ts';
import {
  areSameFiles,
  continuingFiles,
  type FollowerState,
  heldFiles,
  ownPins,
  pathIn,
  pinNew,
  relist,
  say,
  sourceOf,
} from './followed-files.ts';
import { createOwnerCheck } from './owner-check.ts';
import { tidyLog } from './tidy-log.ts';

/** One object: what a server writes in a second, and what one compression may have in memory. */
const OBJECT_SIZE_BYTES_MAX = 4 * 1024 * 1024;

/** Stores a log as it grows. It reads the files, and asks the server nothing. */
export type LogFollower = {
  /**
   * Stores what has come since the last look. False if wal/, or a file in it, is another one now, or shorter, or it holds another history: a
   * restore has put it there, or somebody else, or a backup has begun its log anew. Fails: owner-outdated, installation-cloned,
   * repository-unavailable, not-enough-space, data-directory-replaced.
   */
  look(): Promise<boolean>;
  /** Whether the last look has left nothing behind damage. */
  isWhole(): boolean;
  /**
   * Merges small objects, deletes what others cover, and finds out what was lost of the archive. Looks go on meanwhile. Fails:
   * owner-outdated, and as `look`.
   */
  tidy(signal: AbortSignal): Promise<void>;
  /** Pins what was begun since the last look. Cheap if nothing was. */
  pinNew(): Promise<void>;
  /** How far each segment is stored. */
  extents(): Extent[];
  /** How far the newest one is. */
  newest(): Extent;
};

/** Nothing is stored by it unless the files continue what is stored. Fails: timeline-diverged, source-damaged, repository-unavailable. */
export async function createLogFollower(followed: FollowedLog): Promise<LogFollower> {
  const { store, timeline, database } = followed;
  const wal = await historyId(database.walDir);
  const log = await readArchivedLog(store, timeline);
  const files = await continuingFiles(followed, log);
  const pins = await ownPins(followed, files);
  const archived = log.segments().flatMap((segment) => log.streamOf(segment));
  const lastSeenMs = archived.reduce((last, { seenMs }) => Math.max(last, seenMs), 0);
  const state: FollowerState = {
    log,
    listedAtMs: performance.now(),
    // What came behind the last object that is stored came after about the look that found it.
    lookedAtMs: Math.max(0, lastSeenMs - database.settings.archive.intervalMs),
    stored: new Map(),
    ends: new Map(),
    seen: new Map(files.map((file) => [file.segment, file])),
    pinned: new Set(pins),
    pinnedAtNs: 0n,
    relisted: new Set(),
    holes: new Set((await noteSource(sourceOf(followed))).holes),
    owner: createOwnerCheck(followed),
    damaged: new Map(),
    saidAtMs: new Map(),
    newest: 0 as SegmentId,
  };
  return {
    look: async () => look(followed, state, wal),
    isWhole: () => state.damaged.size === 0,
    tidy: async (signal) => tidyLog({ ...followed, run: { ...followed.run, signal } }, state),
    pinNew: () => pinNew(followed, state, async () => (await historyId(database.walDir)) === wal),
    extents: () => state.log.extents(),
    newest: () => ({ segment: state.newest, endBytes: state.ends.get(state.newest) ?? wholeUntil(state.log.piecesOf(state.newest)) }),
  };
}

/** Of the folder, and of the file that says which history it holds: a backup that begins the log anew writes another one. */
async function historyId(walDir: string): Promise<string | undefined> {
  const stats = await unlessAbsent(stat(walDir, { bigint: true }));
  const marked = await unlessAbsent(stat(timelineFilePath(walDir), { bigint: true }));
  return stats && `${stats.dev}:${stats.ino}:${marked?.ino ?? ''}`;
}

async function look(followed: FollowedLog, state: FollowerState, wal: string | undefined): Promise<boolean> {
  const { walDir } = followed.database;
  const beganAtMs = Date.now();
  const listed = await listInOrder(walDir, state.newest);
  if (!(await areSameFiles(followed, state, listed))) return false;
  const files = await heldFiles(followed, state, listed);
  // What this listing has and the one before had not came after that one began. A clock may have been set back.
  const window: TimeWindow = { sinceMs: Math.min(state.lookedAtMs, beganAtMs), seenMs: Date.now() };
  // The files that were listed and pinned are of the history that is followed, or none of them counts.
  if (wal === undefined || (await historyId(walDir)) !== wal) return false;
  state.newest = files.findLast(({ sizeBytes }) => sizeBytes > 0)?.segment ?? state.newest;
  if (files.some(({ segment, sizeBytes }) => state.stored.get(segment) !== sizeBytes)) await state.owner.require();
  for (const { segment, sizeBytes } of files) {
    if (state.stored.get(segment) === sizeBytes) continue;
    state.damaged.delete(segment);
    await storeLacking(followed, state, { segment, sizeBytes, window });
    state.stored.set(segment, sizeBytes);
  }
  for (const sentence of state.damaged.values()) say(followed, state, { kind: 'archive-stalled', code: 'source-damaged', sentence });
  state.lookedAtMs = beganAtMs;
  return true;
}

/**
 * Sizes are read side by side. Of a segment that a newer one has just followed the end may have come after its size was read, and before the
 * newer one's: the log would have a record without those before it until the next look.
 */
async function listInOrder(walDir: string, newestBefore: SegmentId): Promise<SegmentFile[]> {
  const listed = (await listSegments(walDir)) ?? [];
  const newest = listed.findLast(({ sizeBytes }) => sizeBytes > 0)?.segment ?? 0;
  if (newest <= newestBefore) return listed;
  const again = new Map(((await listSegments(walDir)) ?? []).map((file) => [file.segment, file]));
  return listed.map((file) => (file.segment < newest ? (again.get(file.segment) ?? file) : file));
}

type Grown = { segment: SegmentId; sizeBytes: number; window: TimeWindow };

async function storeLacking(followed: FollowedLog, state: FollowerState, grown: Grown): Promise<void> {
  const { segment, sizeBytes, window } = grown;
  const endBytes = state.ends.get(segment);
  state.ends.delete(segment);
  const ranges =
    endBytes === undefined ? lackingRanges(state.log.piecesOf(segment), sizeBytes) : [{ startBytes: endBytes, endBytes: sizeBytes }];
  const wantedBytes = ranges.reduce((sum, { startBytes, endBytes: end }) => sum + end - startBytes, 0);
  if (wantedBytes >= PACK_SIZE_BYTES) return storeAtOnce(followed, state, grown);
  let hasHole = false;
  for (const range of ranges) {
    const end = await storeRange(followed, state, { segment, ...range, window });
    if (end.kind === 'corrupt') state.damaged.set(segment, stalledText(followed, segment, end));
    if (range !== ranges.at(-1)) hasHole ||= end.positionBytes < range.endBytes;
    else if (!hasHole) state.ends.set(segment, end.positionBytes);
  }
}

/** As at the beginning: so much is not worth small objects. */
async function storeAtOnce(followed: FollowedLog, state: FollowerState, { segment, sizeBytes, window }: Grown): Promise<void> {
  const { store, timeline, run, deps } = followed;
  const known = state.log.walOf(segment);
  // Now: a tidying beside it lists what is stored here as well.
  const startBytes = wholeUntil(state.log.piecesOf(segment));
  const extent = { segment, endBytes: sizeBytes };
  const progress = byteProgress(run, lackingBytes([extent], new Map([[segment, known]])));
  const source = {
    pathOf: (of: SegmentId) => pathIn(followed, of),
    tornTailMs: deps.config.timing.tornTailMs,
    replay: { take: () => undefined },
  };
  try {
    const { endBytes } = await storeSegment({ store, timeline, runId: run.runId }, { extent, known, source, run, progress });
    const range = { segment, startBytes, endBytes, ...window };
    if (endBytes > startBytes) await store.stream.putTimes(timeline, range, [{ endBytes, ...window }]);
  } catch (error) {
    // What stands before the damage is stored; other segments go on.
    if (!(error instanceof RstowError) || error.code !== 'source-damaged') throw error;
    state.damaged.set(segment, `the archive of "${followed.database.name}" stands still in ${segmentFileName(segment)}: ${error.message}`);
  }
  await relist(followed, state, false);
}

type LackingRange = { segment: SegmentId; startBytes: number; endBytes: number; window: TimeWindow };

/** Stores the whole records of a range; what is incomplete comes with a later look. */
async function storeRange(followed: FollowedLog, state: FollowerState, range: LackingRange): Promise<ScanEnd> {
  const { store, timeline, run } = followed;
  const { segment, endBytes, window } = range;
  const source = { kind: 'path', path: pathIn(followed, segment) } as const;
  let { startBytes } = range;
  for (;;) {
    const cut = createRecordCut({ startBytes, targetBytes: Math.min(endBytes, startBytes + OBJECT_SIZE_BYTES_MAX) });
    const parts: Uint8Array[] = [];
    for await (const chunk of readRange({ source, startBytes, endBytes, signal: run.signal })) {
      parts.push(...cut.push(chunk));
      if (cut.isDecided()) break;
    }
    const content = cut.content();
    if (content.endBytes === startBytes) return content.end;
    run.signal.throwIfAborted();
    const piece = await store.stream.put(timeline, { segment, startBytes, endBytes: content.endBytes, ...window }, parts);
    state.log.added(piece);
    for (const put of state.relisted) put.push(piece);
    await followed.bandwidth.pass(content.endBytes - startBytes, run.signal);
    startBytes = content.endBytes;
    if (startBytes >= endBytes) return content.end;
  }
}

/** Whatever a server writes behind that place can't be archived. */
function stalledText({ database }: FollowedLog, segment: SegmentId, { positionBytes }: ScanEnd): string {
  return `the archive of "${database.name}" stands still in ${segmentFileName(segment)} at byte ${positionBytes}: no valid record is there`;
}
