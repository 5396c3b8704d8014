import { randomUUID } from 'node:crypto';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { lackingRanges } from '../../core/archive/tidying.ts';
import { isLocked } from '../../core/errors/error-table.ts';
import { type Piece, piecesBySegment, planCover } from '../../core/repository/piece.ts';
import { countedText } from '../../core/text/figures.ts';
import { createRecordScanner } from '../../core/wal/record-scanner.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import type { Database } from '../../database/database.ts';
import type { SourceNote } from '../../formats/agent-state.ts';
import type { Timeline } from '../../formats/repository/history.ts';
import { crc32c } from '../../io/checksum/checksum.ts';
import { folderIdentity } from '../../io/agent-state/source-note.ts';
import { archivePinFolder, moveArchivePins } from '../../io/data-directory/pins.ts';
import { writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../io/mutex/host-mutex.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { holdsBytes, type KnownBytes, knownBytes } from '../backup/known-bytes.ts';
import type { PieceTarget } from '../backup/piece-store.ts';
import { seenSource } from '../backup/noted-source.ts';
import { type Divergence, divergences, storedHistory, timelineOfData } from '../backup/source-continuity.ts';
import type { RunPort } from '../run-port.ts';
import { storedBytes } from './archived-log.ts';

/** Whose log is to be stored, and where. */
export type Continuing = { deps: Pick<ActivityDeps, 'config' | 'events'>; database: Database; store: Store; run: RunPort };

const MUTEX_WAIT_MS = 60_000;

/**
 * Which history the log in place continues. If the host has crashed since it was stored last, and the log lacks records that its server had
 * written and not synced, a new timeline begins at the last record that both have: what is stored beyond it stays on the old one.
 * The server may be running. Fails: timeline-diverged, owner-outdated, source-damaged, busy, repository-unavailable. Twice: the same timeline.
 */
export async function continuedTimeline(continuing: Continuing): Promise<string> {
  const { deps, database, store, run } = continuing;
  const { walDir } = database;
  const timeline = await timelineOfData(store, database);
  const seen = await seenSource({ deps, store, timeline, walDir });
  if (seen === undefined || seen.isSameBoot) return timeline;
  store.pieces.relist();
  const log = await logInPlace(continuing, timeline);
  const found: Divergence[] = [];
  const target = { store, timeline, runId: run.runId };
  for await (const divergence of divergences(target, { ...log, isThorough: true })) {
    if (divergence.damage !== undefined) throw divergence.damage;
    found.push(divergence);
  }
  if (found.length === 0) return timeline;
  const fork = await forkPoint({ ...log, ...target, note: seen.note, signal: run.signal }, found);
  // Whoever compares next says what is wrong.
  return fork === undefined ? timeline : forkOff(continuing, { timeline, wal: seen.note.wal, newest: log.newest, ...fork });
}

/** The files of a log, and what is stored of it. */
type LogInPlace = Awaited<ReturnType<typeof storedHistory>> & {
  files: readonly (SegmentFile & Extent)[];
  pathOf: (segment: SegmentId) => string;
};

/** A segment that compaction has taken since may still be pinned. */
async function logInPlace({ database, store }: Continuing, timeline: string): Promise<LogInPlace> {
  const { walDir, dataDir } = database;
  const stored = await storedHistory(store, { timeline, walDir });
  const folders = [archivePinFolder(dataDir, timeline), walDir];
  const listed = await Promise.all(folders.map(async (folder) => (await listSegments(folder)) ?? []));
  const bySegment = new Map(listed.flat().map((file) => [file.segment, { ...file, endBytes: file.sizeBytes }]));
  const files = [...bySegment.values()].filter(({ segment }) => segment <= stored.newest).sort((one, other) => one.segment - other.segment);
  return { ...stored, files, pathOf: (segment) => bySegment.get(segment)?.path ?? '' };
}

type ForkPoint = {
  /** What the log still has of what is stored. */ extents: Extent[];
  /** Stored, and no longer in the log; undefined if that can't be counted without a key. */ lostRecords: number | undefined;
};

type Comparison = LogInPlace & PieceTarget & { note: SourceNote; signal: AbortSignal };

/** Undefined if it was no crash: then none, or other ones, of the files are those that were stored. */
async function forkPoint(log: Comparison, found: readonly Divergence[]): Promise<ForkPoint | undefined> {
  const { note, files, newest } = log;
  const noted = new Map(note.files.map(({ segment, inode }) => [segment, inode]));
  const inPlace = new Map(files.map((file) => [file.segment, file]));
  const isSameFile = (segment: SegmentId): boolean => noted.has(segment) && noted.get(segment) === inPlace.get(segment)?.inode;
  if (!files.some(({ segment }) => isSameFile(segment))) return undefined;
  const differing = new Set(found.map(({ segment }) => segment));
  const point: ForkPoint = { extents: [], lostRecords: 0 };
  for (const [segment, pieces] of [...piecesBySegment(log.stored)].sort(([one], [other]) => one - other)) {
    const endBytes = Math.max(...pieces.map((piece) => piece.endBytes));
    if (!differing.has(segment)) {
      point.extents.push({ segment, endBytes });
      continue;
    }
    // A file whose name was not synced is gone, and a server that was started since has made a new one.
    if (!isSameFile(segment) && segment < newest) return undefined;
    const common = await commonPart(log, pieces, isSameFile(segment) ? log.pathOf(segment) : undefined);
    point.lostRecords = sumOf(point.lostRecords, common.lostRecords);
    if (inPlace.has(segment)) point.extents.push({ segment, endBytes: common.endBytes });
  }
  return point;
}

type Common = { endBytes: number; lostRecords: number | undefined };

/** Up to which of its records a file is what is stored of it, and how many are stored behind that; none of a file that is gone. */
async function commonPart(log: Comparison, pieces: readonly Piece[], path: string | undefined): Promise<Common> {
  try {
    return await commonRecords(log, pieces, path);
  } catch (error) {
    if (!isLocked(error)) throw error;
    return commonPieces(log, pieces, path);
  }
}

/** By what is known of pieces without a key: up to the last one that the file has whole. What it has behind is stored anew, on the new timeline. */
async function commonPieces({ store, timeline, runId }: Comparison, pieces: readonly Piece[], path: string | undefined): Promise<Common> {
  const [hole] = lackingRanges(pieces, Number.POSITIVE_INFINITY);
  const common: Common = { endBytes: 0, lostRecords: 0 };
  let isSame = path !== undefined;
  for (const piece of planCover(pieces, hole?.startBytes ?? 0).pieces) {
    const known = await knownBytes({ store, timeline, runId }, piece);
    isSame &&= known !== undefined && (await fileHolds(path, piece, known));
    if (isSame) common.endBytes = piece.endBytes;
    else common.lostRecords = sumOf(common.lostRecords, known?.records);
  }
  return common;
}

/** A file that is shorter doesn't. */
async function fileHolds(path: string | undefined, piece: Piece, known: KnownBytes): Promise<boolean> {
  const size = path === undefined ? 0 : (await stat(path)).size;
  return path !== undefined && size >= piece.endBytes && holdsBytes(path, piece, known);
}

function sumOf(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? undefined : one + other;
}

async function commonRecords({ store, signal }: Comparison, pieces: readonly Piece[], path: string | undefined): Promise<Common> {
  const [hole] = lackingRanges(pieces, Number.POSITIVE_INFINITY);
  const common = { endBytes: 0, lostRecords: 0 };
  let sameBytes = 0;
  const scanner = createRecordScanner({
    crc32c,
    startBytes: 0,
    onRecord: (record) => {
      if (record.endBytes <= sameBytes) common.endBytes = record.endBytes;
      else common.lostRecords += 1;
    },
  });
  const file = path === undefined ? undefined : await open(path, 'r');
  try {
    let positionBytes = 0;
    for await (const chunk of storedBytes(store, pieces, { startBytes: 0, endBytes: hole?.startBytes ?? 0, signal })) {
      if (sameBytes === positionBytes) sameBytes += await sameLength(file, chunk, positionBytes);
      positionBytes += chunk.length;
      scanner.push(chunk);
    }
  } finally {
    await file?.close();
  }
  return common;
}

/** How many bytes from there on are the same in the file. */
async function sameLength(file: FileHandle | undefined, bytes: Uint8Array, positionBytes: number): Promise<number> {
  if (file === undefined) return 0;
  const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes.length), 0, bytes.length, positionBytes);
  if (bytesRead === bytes.length && buffer.equals(bytes)) return bytesRead;
  const differsAt = buffer.subarray(0, bytesRead).findIndex((byte, index) => byte !== bytes[index]);
  return differsAt < 0 ? bytesRead : differsAt;
}

type Forking = ForkPoint & { timeline: string; /** The folder that was compared. */ wal: string; newest: SegmentId };

/** The timeline's object comes first, then the owner's claim, then the mark in the log itself: whoever is killed in between is followed by one that finds what is there. */
async function forkOff(
  { deps, database, store, run }: Continuing,
  { timeline, wal, newest, extents, lostRecords }: Forking,
): Promise<string> {
  const { name, walDir, dataDir } = database;
  // Nobody swaps wal/ meanwhile, and whoever else has found the same waits.
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), {
    what: 'beginning a new timeline after a crash of the host',
    waitTimeoutMs: MUTEX_WAIT_MS,
    signal: run.signal,
  });
  try {
    const now = await timelineOfData(store, database);
    if (now !== timeline || (await folderIdentity(walDir)) !== wal) return now;
    await run.checkOpen();
    const fork = await crashTimeline(store, { timeline, extents });
    const to = fork.timeline;
    await store.owner.follow(to);
    const { generation } = await store.owner.require();
    deps.events.record({
      kind: 'crash-fork',
      database: name,
      repository: store.name,
      code: 'timeline-diverged',
      timeline: to,
      from: timeline,
      lostRecords,
      sentence: lostSentence(name, { timeline, fork: to, lostRecords }),
    });
    await moveArchivePins(dataDir, { from: timeline, to, last: newest });
    const mark = { from: timeline, runId: fork.runId };
    await writeTimelineFile(walDir, { format: 1, database: name, timeline: to, generation, fork: mark });
    return to;
  } finally {
    await mutex.release();
  }
}

/** The one that an attempt before has made, if that came no farther. */
async function crashTimeline(store: Store, parent: { timeline: string; extents: Extent[] }): Promise<Timeline> {
  const { generation } = await store.owner.require();
  const isMade = (other: Timeline): boolean => other.why === 'crash' && isDeepStrictEqual(other.parent, parent);
  const made = [...(await store.timelines.all()).values()].findLast(isMade);
  if (made !== undefined) return made;
  // A run may live through several crashes: each has an id of its own.
  return store.timelines.create({ generation, parent, why: 'crash', runId: randomUUID(), createdAtMs: Date.now() });
}

function lostSentence(
  database: string,
  { timeline, fork, lostRecords }: { timeline: string; fork: string } & Pick<ForkPoint, 'lostRecords'>,
): string {
  const lost = lostRecords === undefined ? 'records' : countedText(lostRecords, 'record');
  return `the host of database "${database}" has crashed before its server had synced its log: ${lost} that the repository has are not in the log any more. They can be recovered from timeline ${timeline} (\`rstow restore ${database} --timeline ${timeline}\`); the log goes on as timeline ${fork}`;
}
