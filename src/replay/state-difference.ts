import { baselineOf, sharedLog, type TimelineNode } from '../core/backup/history.ts';
import { compareIndexes, named, type StateDifference } from '../core/recovery/state-difference.ts';
import { readPresentState } from '../core/state/kept-instance.ts';
import { createReplayIndex, type ReplayIndex } from '../core/state/replay-index.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { missingText } from '../core/wal/continuity.ts';
import { createRecordScanner } from '../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId, type WalRange } from '../core/wal/wal-offset.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { readRange, RecordWindow } from '../io/data-directory/range-reader.ts';
import type { SegmentFile } from '../io/data-directory/segments.ts';
import { byteProgress, type Caller } from './progress.ts';
import { sha256 } from './replay-segments.ts';
import { partOf, readPayloads, readStoredLog, type SeeRecord, type StoredLog, unreplayable } from './stored-log.ts';

/** A log whose state is compared with another's. */
export type LogSource = {
  timeline: string;
  /** How far each segment goes at most: a log in place may end with a torn record. */
  extents: readonly Extent[];
  /** Gives each record that begins at or behind the first place, and ends at or before the second, in the order of the log. */
  read: (between: Between, see: SeeRecord) => Promise<void>;
  /** Gives the payloads of these records, in any order; each is valid only during the call. */
  payloads: (ranges: readonly WalRange[], see: (range: WalRange, payload: Uint8Array) => void) => Promise<void>;
  /** That a server can't replay what stands there. */
  damaged: (segment: SegmentId, positionBytes: number) => RstowError;
};

/** Record boundaries; the log's own beginning and end where absent. */
type Between = { from?: Extent | undefined; to?: Extent | undefined };

/** Reading fails: as reading the stored log does. */
export function storedSource({ log, timeline }: { log: StoredLog; timeline: string }, run: Caller): LogSource {
  return {
    timeline,
    extents: log.extents,
    read: ({ from, to }, see) => readStoredLog(partOf(log, { from, to }), { see: seeFrom(from, see) }, run),
    payloads: (ranges, see) => readPayloads(log, { ranges, see }, run),
    damaged: unreplayable,
  };
}

function seeFrom(from: Extent | undefined, see: SeeRecord): SeeRecord {
  if (from === undefined) return see;
  return (segment, record) => {
    if (segment > from.segment || record.startBytes >= from.endBytes) see(segment, record);
  };
}

type LogInPlace = { files: readonly SegmentFile[]; timeline: string; timelines: ReadonlyMap<string, TimelineNode> };

/**
 * The log in place; its server may be running. Fails: wal-gap, where compaction has deleted a part of it. Reading fails: source-damaged,
 * where a server could not start on it; data-directory-replaced.
 */
export function filesSource({ files, timeline, timelines }: LogInPlace, run: Caller): LogSource {
  const missing = missingText(
    files.map(({ segment }) => segment),
    baselineOf(timelines, timeline)?.segment,
  );
  if (missing !== undefined) throw new RstowError('wal-gap', `the log in place lacks ${missing}: it doesn't say what the server holds`);
  const pathOf = (segment: SegmentId): string => files.find((file) => file.segment === segment)?.path ?? '';
  return {
    timeline,
    extents: files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes })),
    read: (between, see) => readFiles(files, { ...between, see }, run),
    payloads: (ranges, see) => payloadsOfFiles(pathOf, ranges, see),
    damaged: damagedFile,
  };
}

async function readFiles(files: readonly SegmentFile[], { from, to, see }: Between & { see: SeeRecord }, run: Caller): Promise<void> {
  const parts = files
    .filter(({ segment }) => segment >= (from?.segment ?? segment) && segment <= (to?.segment ?? segment))
    .map((file) => ({
      file,
      startBytes: file.segment === from?.segment ? from.endBytes : 0,
      endBytes: file.segment === to?.segment ? Math.min(to.endBytes, file.sizeBytes) : file.sizeBytes,
    }));
  const progress = byteProgress(
    run,
    parts.reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0),
  );
  for (const { file, startBytes, endBytes } of parts) {
    progress.doing(file.fileName);
    await readFilePart(file, { startBytes, endBytes, see, signal: run.signal });
    progress.add(endBytes - startBytes);
  }
}

type FilePart = { startBytes: number; endBytes: number; see: SeeRecord; signal: AbortSignal };

async function readFilePart({ path, segment }: SegmentFile, { startBytes, endBytes, see, signal }: FilePart): Promise<void> {
  const scanner = createRecordScanner({ crc32c, startBytes, onRecord: (record) => see(segment, record) });
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes, endBytes, signal })) scanner.push(chunk);
  const end = scanner.finish();
  if (end.kind === 'corrupt') throw damagedFile(segment, end.positionBytes);
}

function damagedFile(segment: SegmentId, positionBytes: number): RstowError {
  const file = segmentFileName(segment);
  return new RstowError('source-damaged', `${file} has no record at byte ${positionBytes} that a server can replay`, {
    details: { file, positionBytes },
  });
}

async function payloadsOfFiles(
  pathOf: (segment: SegmentId) => string,
  ranges: readonly WalRange[],
  see: (range: WalRange, payload: Uint8Array) => void,
): Promise<void> {
  const window = new RecordWindow(pathOf);
  try {
    const sorted = ranges.toSorted((one, other) => one.segment - other.segment || one.startBytes - other.startBytes);
    for (const range of sorted) see(range, await window.payload(range));
  } finally {
    await window.close();
  }
}

/** The ends of the last records are given too; undefined for a log without one. */
export type Differing = { difference: StateDifference; beforeEnd: Extent | undefined; afterEnd: Extent | undefined };

/**
 * What has to be done to the state of the first log to get that of the second. What both have in common is replayed once.
 * Fails: as reading the two does.
 */
export async function differenceBetween(
  timelines: ReadonlyMap<string, TimelineNode>,
  before: LogSource,
  after: LogSource,
): Promise<Differing> {
  const shared = sharedLog(timelines, before, after);
  const prefix = commonPrefix(before.extents, after.extents, shared);
  const common: Replay = { index: createReplayIndex(), end: undefined };
  if (prefix !== undefined) await replay(after, { to: prefix }, common);
  // The last record's end: a log in place may have been cut within a record that the other has whole.
  const { end: from } = common;
  const other: Replay = { index: common.index.copy(), end: from };
  await replay(before, { from }, other);
  await replay(after, { from }, common);
  const difference = await differenceOf({ source: before, ...other }, { source: after, ...common }, shared);
  return { difference, beforeEnd: other.end, afterEnd: common.end };
}

type Replay = { index: ReplayIndex; end: Extent | undefined };

async function replay(source: LogSource, between: Between, into: Replay): Promise<void> {
  await source.read(between, (segment, record) => {
    if (!into.index.apply(segment, record)) throw source.damaged(segment, record.startBytes);
    into.end = { segment, endBytes: record.endBytes };
  });
}

/** Up to where both logs are the same from their beginning on: behind it the order of the log is each one's own. */
export function commonPrefix(one: readonly Extent[], other: readonly Extent[], shared: ReadonlyMap<SegmentId, number>): Extent | undefined {
  let prefix: Extent | undefined;
  for (const [at, { segment, endBytes }] of one.entries()) {
    const there = other[at];
    const sharedBytes = shared.get(segment) ?? 0;
    if (there?.segment !== segment || sharedBytes === 0) return prefix;
    prefix = { segment, endBytes: sharedBytes };
    if (sharedBytes < Math.max(endBytes, there.endBytes)) return prefix;
  }
  return prefix;
}

type LogState = { source: LogSource; index: ReplayIndex };

async function differenceOf(before: LogState, after: LogState, shared: ReadonlyMap<SegmentId, number>): Promise<StateDifference> {
  const isShared = ({ segment, endBytes }: WalRange): boolean => endBytes <= (shared.get(segment) ?? 0);
  const { undecided, ...known } = compareIndexes(before.index, after.index, isShared);
  const hashesBefore = await hashesOf(
    before,
    undecided.map((each) => each.before),
  );
  const hashesAfter = await hashesOf(
    after,
    undecided.map((each) => each.after),
  );
  const changed = undecided.filter((each) => !each.isSameMachine || hashesBefore.get(each.before) !== hashesAfter.get(each.after));
  return { ...known, instancesChanged: named(changed.map(({ id }) => id)) };
}

/** Of state and context, so that memory holds no contexts. */
async function hashesOf({ source }: LogState, ranges: readonly WalRange[]): Promise<Map<WalRange, string | undefined>> {
  const hashes = new Map<WalRange, string | undefined>();
  await source.payloads(ranges, (range, payload) => {
    const present = readPresentState(payload);
    hashes.set(range, present === undefined ? undefined : sha256([JSON.stringify(present.state), present.ctx]));
  });
  return hashes;
}
