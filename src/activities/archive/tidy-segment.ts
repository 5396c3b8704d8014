import { planTidying, wholeUntil } from '../../core/archive/tidying.ts';
import { isLocked } from '../../core/errors/error-table.ts';
import { PIECE_SIZE_BYTES_MAX } from '../../core/repository/merge-plan.ts';
import { planCover } from '../../core/repository/piece.ts';
import type { StreamPiece, TimedRange } from '../../core/repository/stream-piece.ts';
import { joinedMarks, MARKS_MAX, thinned, type TimeMark, windowOf } from '../../core/repository/time-marks.ts';
import type { SegmentId, WalRange } from '../../core/wal/wal-offset.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { unlessUnreadable } from '../../io/repository/sealed-object.ts';
import { createRecordCut } from '../../store/record-cut.ts';
import { storeBytes } from '../backup/piece-store.ts';
import { type ArchivedLog, type FollowedLog, readArchivedLog, storedBytes } from './archived-log.ts';

/** Times come from this process: where calls cost, they are listed once in an hour. */
const TIMES_MS = 3_600_000;

type Packed = {
  followed: Pick<FollowedLog, 'store' | 'timeline' | 'run'>;
  log: ArchivedLog;
  /** Where the segment can be read; undefined if no file has it any more. */
  path: string | undefined;
};

export type Tidied = Packed & {
  followed: FollowedLog;
  /** Before anything is written or deleted. Fails: owner-outdated, repository-unavailable. */
  mayWrite: () => Promise<void>;
  /** Whether the log was listed a moment ago. */
  mayDelete: boolean;
};

/**
 * Keeps the small objects of a segment few. Nothing is deleted before what covers it is durable, nor for `keptMs` after it came. Twice:
 * nothing is left to do.
 */
export async function tidySegment(tidied: Tidied, { segment, isSealed }: Pick<WalRange, 'segment'> & { isSealed: boolean }): Promise<void> {
  const { followed, log } = tidied;
  const own = log.streamOf(segment);
  const { packUntilBytes, merges, covered } = planTidying({ wal: log.walOf(segment), stream: own, isSealed });
  const oldestMs = Date.now() - followed.database.settings.archive.keptMs;
  const outlived = tidied.mayDelete ? covered.filter(({ seenMs }) => seenMs < oldestMs) : [];
  if (packUntilBytes === undefined && merges.length + outlived.length === 0) return;
  await tidied.mayWrite();
  for (const group of merges) await mergeGroup(tidied, group);
  if (packUntilBytes !== undefined) {
    const loose = own.filter((piece) => !covered.includes(piece));
    if (loose.length > 0) await keepTimes(followed, loose);
    const { missing } = planCover(log.walOf(segment), packUntilBytes);
    for (const range of missing) await pack(tidied, { segment, ...range });
  }
  await removeCovered(followed, outlived);
}

/** Stores a range between two records' boundaries in wal/, in pieces of at most about 64 MiB. */
async function pack(packed: Packed, { segment, startBytes, endBytes }: WalRange): Promise<void> {
  const { store, timeline, run } = packed.followed;
  let positionBytes = startBytes;
  while (positionBytes < endBytes) {
    const range: WalRange = { segment, startBytes: positionBytes, endBytes };
    const targetBytes = Math.min(endBytes, positionBytes + PIECE_SIZE_BYTES_MAX);
    const content = await storeBytes({ store, timeline, runId: run.runId }, segment, {
      startBytes: positionBytes,
      targetBytes,
      isExact: targetBytes === endBytes,
      signal: run.signal,
      async *bytes(nextBuffer) {
        for await (const chunk of rangeBytes(packed, range)) {
          await nextBuffer();
          yield chunk;
        }
      },
    });
    if (content.endBytes === positionBytes) return;
    positionBytes = content.endBytes;
  }
}

/**
 * Stores in wal/ what only stream/ has of segments that no file has any more: compaction may be faster than the archive's tidying, and a
 * backup reads wal/ alone. Lists stream/ only if a segment is absent. Gives those that no key of this host opens. Twice: nothing is left to do.
 */
export async function packAbsent({ store, timeline, run }: Packed['followed'], present: readonly SegmentId[]): Promise<SegmentId[]> {
  const last = present.at(-1) ?? 0;
  if (present.length === last) return [];
  const log = await readArchivedLog(store, timeline);
  const isPresent = new Set(present);
  const locked: SegmentId[] = [];
  for (const segment of log.segments().filter((each) => each < last && !isPresent.has(each))) {
    const { missing } = planCover(log.walOf(segment), wholeUntil(log.piecesOf(segment)));
    try {
      for (const range of missing) await pack({ followed: { store, timeline, run }, log, path: undefined }, { segment, ...range });
    } catch (error) {
      if (!isLocked(error)) throw error;
      locked.push(segment);
    }
  }
  store.pieces.relist();
  return locked;
}

/** Neighbours as one object within stream/. */
async function mergeGroup(tidied: Tidied, group: readonly StreamPiece[]): Promise<void> {
  const { store, timeline } = tidied.followed;
  const range = rangeOf(group);
  const cut = createRecordCut({ startBytes: range.startBytes, targetBytes: range.endBytes });
  const parts: Uint8Array[] = [];
  for await (const chunk of rangeBytes(tidied, range)) parts.push(...cut.push(chunk));
  // Damage that has come to the file since: the small objects are what there is.
  if (cut.content().endBytes !== range.endBytes) return;
  await keepTimes(tidied.followed, group);
  await store.stream.put(timeline, { ...range, ...windowOf(group) }, parts);
}

/** From the segment's file, else from the objects themselves. Fails: missing-object. */
async function* rangeBytes({ followed, log, path }: Packed, range: WalRange): AsyncGenerator<Uint8Array> {
  const { run, store } = followed;
  const { segment, startBytes, endBytes } = range;
  if (path !== undefined) {
    yield* readRange({ source: { kind: 'path', path }, startBytes, endBytes, signal: run.signal });
    return;
  }
  yield* storedBytes(store, log.piecesOf(segment), { startBytes, endBytes, signal: run.signal });
}

function rangeOf(group: readonly StreamPiece[]): WalRange {
  const { segment } = group[0] as StreamPiece;
  const startBytes = Math.min(...group.map((piece) => piece.startBytes));
  return { segment, startBytes, endBytes: Math.max(...group.map((piece) => piece.endBytes)) };
}

/** If a backup has stored their bytes before they were merged, nothing else says yet when those came. */
async function removeCovered(followed: FollowedLog, covered: readonly StreamPiece[]): Promise<void> {
  if (covered.length === 0) return;
  const { store, timeline } = followed;
  const known = await store.stream.times(timeline, TIMES_MS);
  const untimed = covered.filter((piece) => !known.some((range) => isWithin(piece, range)));
  if (untimed.length > 0) await keepTimes(followed, [...(await timesBefore(followed, { known, group: untimed })), ...untimed]);
  await store.stream.remove(covered);
}

/** What is known right before a group, if that has room: a log that grows slowly must not get an object for each of its records. */
async function timesBefore(
  { store: { stream }, timeline }: FollowedLog,
  { known, group }: { known: readonly TimedRange[]; group: readonly StreamPiece[] },
): Promise<TimedRange[]> {
  const { segment, startBytes } = rangeOf(group);
  const before = known.find((range) => range.timeline === timeline && range.segment === segment && range.endBytes === startBytes);
  const marks = before && (await unlessUnreadable(stream.readTimes(before)));
  return before !== undefined && marks !== undefined && marks.length + group.length <= MARKS_MAX ? [before] : [];
}

/** What the names of small objects say outlives them. */
async function keepTimes({ store: { stream }, timeline }: FollowedLog, group: readonly TimedRange[]): Promise<void> {
  const range = rangeOf(group);
  const parts = (await stream.times(timeline, TIMES_MS)).filter((times) => times.timeline === timeline && isWithin(times, range));
  const kept: TimeMark[] = [];
  for (const part of parts) kept.push(...((await unlessUnreadable(stream.readTimes(part))) ?? []));
  await stream.putTimes(timeline, { ...range, ...windowOf(group) }, thinned(joinedMarks(group, kept)));
  await stream.remove(parts.filter((part) => part.startBytes > range.startBytes || part.endBytes < range.endBytes));
}

function isWithin(part: WalRange, { segment, startBytes, endBytes }: WalRange): boolean {
  return part.segment === segment && part.startBytes >= startBytes && part.endBytes <= endBytes;
}
