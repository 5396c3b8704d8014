import { findInstance, type FoundInstance, type WantedInstance } from '../activities/instance/find-instance.ts';
import { locate } from '../activities/recovery-point/locate-point.ts';
import { whole } from '../activities/recovery-point/reachable-log.ts';
import type { LogTimes } from '../activities/recovery-point/log-times.ts';
import { lastExtent, logOfHistory, logUpTo, openHistory } from '../activities/recovery-point/stored-history.ts';
import { type Baseline, baselineOf, type TimelineNode } from '../core/backup/history.ts';
import { timeOf } from '../core/recovery/log-times.ts';
import type { TimeWindow } from '../core/repository/stream-piece.ts';
import { entryText, type LogRecord } from '../core/recovery/log-record.ts';
import { concernsSegment, createRecordFilter, type RecordQuery } from '../core/recovery/record-filter.ts';
import type { StateDifference } from '../core/recovery/state-difference.ts';
import type { RecoveryTarget } from '../core/recovery/target.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { missingText } from '../core/wal/continuity.ts';
import {
  type Extent,
  makeWalOffset,
  parseWalOffset,
  positionBytesOf,
  type SegmentId,
  segmentOf,
  type WalOffset,
  type WalOffsetText,
  walOffsetText,
} from '../core/wal/wal-offset.ts';
import { openDatabase } from '../database/database.ts';
import { readTimelineFile } from '../io/data-directory/rstow-folder.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import type { Caller } from '../replay/progress.ts';
import { differenceBetween, filesSource, type LogSource, storedSource } from '../replay/state-difference.ts';
import { readStoredLog, type SeeRecord } from '../replay/stored-log.ts';
import type { Store } from '../store/store.ts';
import { FIRST_TIMELINE } from '../formats/repository/history.ts';
import { localDeps } from './local-deps.ts';

/** Reading what a repository holds of a database, by this process, with the config of this host's agent. Changes nothing there. */
export type LocalReading = { configFile: string | undefined; database: string; repository?: string | undefined };

/** `entry` is its whole text in the log, where that is asked for and is JSON; `came` is when it came, if the archive knows. */
export type FoundRecord = { record: LogRecord; came?: TimeWindow | undefined; entry?: string | undefined };

export type LogReading = LocalReading & {
  timeline?: string | undefined;
  query: RecordQuery;
  withData?: boolean | undefined;
  /** So many records, and no more. */
  limit?: number | undefined;
  /** Takes what was found so far; waited for. */
  print: (records: readonly FoundRecord[]) => Promise<void>;
};

/** What was read. `missing` are the segments that the stored log lacks, in words; a `baseline` holds no records of the history. */
export type LogSummary = {
  timeline: string;
  label: string;
  end: WalOffsetText;
  found: number;
  missing: string | undefined;
  baseline: Baseline | undefined;
};

/**
 * Prints the wanted records of a stored history, in the order of the log; memory stays flat however long that is. What was found before a
 * damaged object is printed. Fails: as the store does; backup-not-found, point-not-found, missing-object, truncated-object, damaged-object.
 */
export async function readLog({ configFile, database, repository, timeline, ...reading }: LogReading): Promise<LogSummary> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  const history = await openHistory(store, { target: { latest: true }, timeline }, untilKilled());
  const { manifest, segments } = history.log;
  const baseline = baselineOf(history.timelines, history.log.timeline);
  const isHistory = (segment: SegmentId): boolean => segment > (baseline?.segment ?? 0);
  // It says of which machine an instance is.
  const isSeen = (segment: SegmentId): boolean => isHistory(segment) || reading.query.machine !== undefined;
  const log = await logOfHistory(history, (segment) => isSeen(segment) && concernsSegment(reading.query, segment));
  const gathered = gatherRecords(reading, { isHistory, times: history.times });
  const { see, isDone } = gathered;
  await readStoredLog(log, { see, isDone, afterChunk: gathered.print }, untilKilled()).finally(gathered.print);
  const end = offsetOf(history.end);
  const missing = missingText(
    segments.map(({ segment }) => segment),
    baseline?.segment,
  );
  return { timeline: history.timeline, label: manifest.label, end, found: gathered.count(), missing, baseline };
}

type Gathered = { see: SeeRecord; isDone: () => boolean; print: () => Promise<void>; count: () => number };

function gatherRecords(
  { query, withData, limit = Number.POSITIVE_INFINITY, print }: Omit<LogReading, keyof LocalReading>,
  { isHistory, times }: { isHistory: (segment: SegmentId) => boolean; times: LogTimes },
): Gathered {
  const filter = createRecordFilter(query);
  let waiting: FoundRecord[] = [];
  let count = 0;
  return {
    see: (segment, seen) => {
      const record = filter(segment, seen);
      if (record === undefined || count >= limit || !isHistory(segment)) return;
      count += 1;
      waiting.push({ record, entry: withData === true ? entryText(seen.payload) : undefined });
    },
    isDone: () => count >= limit,
    print: async () => {
      const records = waiting;
      waiting = [];
      for (const found of records) found.came = await timeOfRecord(times, found.record);
      if (records.length > 0) await print(records);
    },
    count: () => count,
  };
}

async function timeOfRecord(times: LogTimes, { offset }: LogRecord): Promise<TimeWindow | undefined> {
  const begins = parseWalOffset(offset) as WalOffset;
  return timeOf(await times.of(segmentOf(begins)), positionBytesOf(begins));
}

export type InstanceReading = LocalReading & WantedInstance;

export type ExtractedInstance = Omit<FoundInstance, 'segments'>;

/** One instance as it was. Fails: as `readLog`; instance-not-found, mark-not-found. */
export async function extractInstance({ configFile, database, repository, ...wanted }: InstanceReading): Promise<ExtractedInstance> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  const { segments: _log, ...found } = await findInstance(store, wanted, untilKilled());
  return found;
}

/** A point of a history, or the data in place on this host. */
export type DiffPoint = { kind: 'now' } | { kind: 'point'; target: RecoveryTarget } | { kind: 'backup'; label: string };

export type DiffReading = LocalReading & { timeline?: string | undefined; before: DiffPoint; after: DiffPoint };

/** Where a point was found: the first offset that is not in it. The label is that of a backup which has it; absent for the data in place. */
export type ComparedPoint = { timeline: string; end: WalOffsetText; label?: string | undefined };

export type PointDifference = StateDifference & { before: ComparedPoint; after: ComparedPoint };

/** What has to be done to the first state to get the second. Fails: as `readLog`; wal-gap; source-damaged (the data in place). */
export async function diffPoints({ configFile, database, repository, timeline, before, after }: DiffReading): Promise<PointDifference> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  const caller = untilKilled();
  const timelines = await store.timelines.all();
  const placed = (point: DiffPoint): Promise<PlacedLog> =>
    point.kind === 'now' ? logInPlace(openDatabase(deps, database).walDir, timelines, caller) : logAt(store, { point, timeline }, caller);
  const one = await placed(before);
  const other = await placed(after);
  const { difference, beforeEnd, afterEnd } = await differenceBetween(timelines, one.source, other.source);
  return { before: comparedPoint(one, beforeEnd), after: comparedPoint(other, afterEnd), ...difference };
}

/** Reading leaves nothing to clean up: a signal may simply end it, as it ends `cat`. */
function untilKilled(): Caller {
  return { signal: new AbortController().signal, report: () => undefined };
}

type PlacedLog = { label?: string | undefined; source: LogSource };

function comparedPoint({ label, source }: PlacedLog, end: Extent | undefined): ComparedPoint {
  return { timeline: source.timeline, end: offsetOf(end), label };
}

/** The first offset behind a log; 0 for one without records. */
function offsetOf(end: Extent | undefined): WalOffsetText {
  return walOffsetText(end === undefined ? makeWalOffset(0 as SegmentId, 0) : makeWalOffset(end.segment, end.endBytes));
}

type Timelines = ReadonlyMap<string, TimelineNode>;

async function logInPlace(walDir: string, timelines: Timelines, caller: Caller): Promise<PlacedLog> {
  const files = await listSegments(walDir);
  if (files === undefined) throw new RstowError('data-directory-missing', `there is no ${walDir} on this host`);
  const timeline = (await readTimelineFile(walDir))?.timeline ?? FIRST_TIMELINE;
  return { source: filesSource({ files, timeline, timelines }, caller) };
}

type StoredPoint = { point: Exclude<DiffPoint, { kind: 'now' }>; timeline: string | undefined };

async function logAt(store: Store, { point, timeline }: StoredPoint, caller: Caller): Promise<PlacedLog> {
  const { log, cut } =
    point.kind === 'backup'
      ? whole(await store.backups.find(point.label), await store.timelines.all())
      : await locate(await openHistory(store, { target: point.target, timeline }, caller), point.target, caller);
  const stored = await logUpTo(store, log, cut ?? lastExtent(log));
  return { label: log.manifest.label, source: storedSource({ log: stored, timeline: log.timeline }, caller) };
}
