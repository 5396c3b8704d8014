import { lineageOf, type TimelineNode } from '../../core/backup/history.ts';
import type { BackupPosition } from '../../core/backup/label.ts';
import { type PlannedSegment, promisedExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { positionsOf } from '../../core/recovery/recovery-window.ts';
import { continuedExtents } from '../../core/repository/continued-log.ts';
import type { RecoveryTarget } from '../../core/recovery/target.ts';
import {
  type Extent,
  makeWalOffset,
  type SegmentId,
  type WalOffset,
  type WalOffsetText,
  walOffsetText,
} from '../../core/wal/wal-offset.ts';
import { FIRST_TIMELINE, type Timeline } from '../../formats/repository/history.ts';
import type { Manifest, ManifestSegment } from '../../formats/repository/manifest.ts';
import { type StoredLog, storedLogUpTo } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import { type Continuation, planContinuedLog, readContinuedLog } from './continued-log.ts';
import { type LogTimes, logTimes } from './log-times.ts';

/** A log that points lie in. */
export type PointLog = {
  /** The backup whose log it is, or begins with. */
  manifest: Manifest;
  /** The history that all of it belongs to. */
  timeline: string;
  segments: readonly ManifestSegment[];
  /** Whether the archive has made it longer than the backup's own. */
  isArchived: boolean;
};

/** One history of the database, as one repository has it stored. */
export type StoredHistory = {
  store: Store;
  timeline: string;
  timelines: ReadonlyMap<string, TimelineNode>;
  /** Its backups and its parents' before the fork, in the order of the log. */
  positions: BackupPosition[];
  /** The newest one that can be read. Of a history without a backup of its own, the one that it was begun from. */
  newest: Manifest;
  /** That one's log, with what the archive holds beyond it. */
  log: PointLog;
  /** How far that belongs to the history. */
  end: Extent;
  /** What the archive lacks. */
  archive: Pick<Continuation, 'hole' | 'fault'>;
  times: LogTimes;
};

export type WantedPoint = {
  target: RecoveryTarget;
  /** A history that the database has had; the one in use where absent. */
  timeline?: string | undefined;
};

/** Fails: backup-not-found, mark-not-found, point-not-found (no such timeline), repository-unavailable. */
export async function openHistory(store: Store, wanted: WantedPoint, { signal }: { signal: AbortSignal }): Promise<StoredHistory> {
  const history = await openBackups(store, wanted);
  const { newest, timeline, timelines } = history;
  const archived = await archiveOf(history);
  const own = { ...history, log: ownLog(newest), archive: {}, times: archived.times };
  // A mark is the end of a backup.
  if (archived.newestSegment === undefined || wanted.target.name !== undefined) return own;
  const reading = { store, timeline, timelines, newest, newestArchived: archived.newestSegment };
  const { segments, ...archive } = await readContinuedLog(reading, signal);
  if (segments === undefined) return { ...own, archive };
  const end = promisedExtents(segments).at(-1) as Extent;
  // What belongs to the history of a backup's log may be farther than what chains on before.
  if (isBefore(end, history.end)) return { ...own, archive };
  return { ...own, log: { manifest: newest, timeline, segments, isArchived: true }, end, archive };
}

/** How far the log of a history is stored, by what is listed. */
export type ListedHistory = Backups & {
  extents: Extent[];
  archive: Pick<Continuation, 'hole'>;
  times: LogTimes;
  /** As of a point's log. */ isArchived: boolean;
};

/** Reads no more than a manifest. Fails: as openHistory. */
export async function listHistory(store: Store, wanted: WantedPoint): Promise<ListedHistory> {
  const history = await openBackups(store, wanted);
  const { newestSegment: newestArchived, times } = await archiveOf(history);
  const own = { ...history, extents: promisedExtents(history.newest.segments), archive: {}, times, isArchived: false };
  if (newestArchived === undefined) return own;
  const { continued } = await planContinuedLog({ ...history, newestArchived });
  const extents = continuedExtents(continued);
  const end = extents.at(-1);
  const isMore = end !== undefined && continued.segments.some(({ slices }) => slices.length > 0) && !isBefore(end, history.end);
  const archive = { hole: continued.hole };
  return isMore ? { ...own, extents, end, archive, isArchived: true } : { ...own, archive };
}

/** Up to where the archive has stored a history, with whatever holes; 0 if nothing. Fails: repository-unavailable. */
export async function archivedEnd(store: Store, timeline: string): Promise<WalOffset> {
  const known = (await store.timelines.all()).has(timeline);
  const stored = known ? [...(await store.stream.of(timeline)), ...(await store.stream.times(timeline))] : [];
  const ends = stored.map(({ segment, endBytes }) => makeWalOffset(segment, endBytes));
  return ends.reduce((last, end) => (end > last ? end : last), makeWalOffset(0 as SegmentId, 0));
}

function isBefore(one: Extent, other: Extent): boolean {
  return makeWalOffset(one.segment, one.endBytes) < makeWalOffset(other.segment, other.endBytes);
}

/** A history as its backups have it. */
type Backups = Pick<StoredHistory, 'store' | 'timeline' | 'timelines' | 'positions' | 'newest' | 'end'>;

async function openBackups(store: Store, { timeline: wanted, target }: WantedPoint): Promise<Backups> {
  const { database } = store;
  const mark = target.name === undefined ? undefined : await markOf(store, target.name);
  const timeline = mark?.timeline ?? wanted ?? (await store.owner.find()).owner?.timeline ?? FIRST_TIMELINE;
  const timelines = await store.timelines.all();
  const lineage = lineageOf(timelines, timeline);
  if (timelines.size === 0) {
    throw new RstowError('backup-not-found', `repository "${store.name}" has no backup of "${database}" yet`, { details: { database } });
  }
  if (lineage === undefined) {
    const known = [...timelines.keys()].join(', ');
    throw new RstowError('point-not-found', `repository "${store.name}" of "${database}" has no timeline ${timeline}; it has ${known}`, {
      details: { database },
    });
  }
  const { positions } = await store.backups.positions();
  const log = await newestLog(store, timeline, timelines.get(timeline)?.parent ?? null);
  if (log === undefined) {
    throw new RstowError('backup-not-found', `timeline ${timeline} of "${database}" has no backup`, { details: { database } });
  }
  return { store, timeline, timelines, positions: positionsOf(positions, lineage), ...log };
}

/** A recovery to a point within a backup begins a history that goes on behind all earlier ones, as long as it has none of its own. */
async function newestLog(
  { backups }: Store,
  timeline: string,
  parent: Timeline['parent'],
): Promise<Pick<StoredHistory, 'newest' | 'end'> | undefined> {
  const newest = await backups.newestOfTimeline({ timeline, exceptRunId: '', isBeforeBaseline: true });
  const begun = parent?.label === undefined || newest?.timeline === timeline ? undefined : await backups.readable(parent.label);
  const fork = parent?.extents.at(-1);
  if (begun !== undefined && fork !== undefined) return { newest: begun, end: fork };
  return newest && { newest, end: lastExtent(newest) };
}

/** What the archive has of a history, by what is listed. */
async function archiveOf({
  store,
  timeline,
}: Pick<Backups, 'store' | 'timeline'>): Promise<{ times: LogTimes; newestSegment: SegmentId | undefined }> {
  const stream = await store.stream.of(timeline);
  const times = await store.stream.times(timeline);
  const segments = [...stream, ...times].map(({ segment }) => segment);
  const newestSegment = segments.reduce<SegmentId | undefined>(
    (newest, segment) => (newest === undefined || segment > newest ? segment : newest),
    undefined,
  );
  return { times: logTimes(store, { stream, times }), newestSegment };
}

/** A backup's own log. */
export function ownLog(manifest: Manifest): PointLog {
  return { manifest, timeline: manifest.timeline, segments: manifest.segments, isArchived: false };
}

/** How far a log goes. */
export function lastExtent({ segments }: Pick<PointLog, 'segments'>): Extent {
  return promisedExtents(segments).at(-1) as Extent;
}

/** The newest ones: a sentence has an end. */
const MARKS_NAMED_MAX = 10;

/** Fails: mark-not-found. */
export async function markOf(store: Store, name: string): Promise<{ timeline: string; label: string }> {
  const mark = await store.marks.find(name);
  if (mark !== undefined) return mark;
  const { total, marks } = await store.marks.newest(MARKS_NAMED_MAX);
  const names = marks.map((each) => each.name).join(', ');
  const more = total > marks.length ? ` and ${total - marks.length} more` : '';
  const known = total === 0 ? 'there is none yet' : `there ${total === 1 ? 'is' : 'are'} ${names}${more}`;
  throw new RstowError('mark-not-found', `no mark is called "${name}"; ${known}`, { details: { database: store.database } });
}

/** Of what will be read. Fails: missing-object, wrong-key. */
async function readablePlan(store: Store, segments: readonly ManifestSegment[]): Promise<PlannedSegment[]> {
  const planned = await store.pieces.plan({ database: store.database, segments });
  await store.requireKeys(planned);
  return planned;
}

/** A log up to there. Fails: missing-object, wrong-key. */
export async function logUpTo(store: Store, log: Pick<PointLog, 'segments'>, end: Extent): Promise<StoredLog> {
  const segments = log.segments.filter(({ segment }) => segment <= end.segment);
  return storedLogUpTo(store, await readablePlan(store, segments), end);
}

/** What is stored of some segments. Fails: missing-object, wrong-key. */
export async function logOfHistory({ store, log, end }: StoredHistory, isWanted: (segment: SegmentId) => boolean): Promise<StoredLog> {
  return logUpTo(store, { segments: log.segments.filter(({ segment }) => isWanted(segment)) }, end);
}

/** The whole of some segments. Fails: missing-object, wrong-key. */
export async function logOfSegments(
  store: Store,
  log: Pick<PointLog, 'segments'>,
  isWanted: (segment: SegmentId) => boolean,
): Promise<StoredLog> {
  const segments = log.segments.filter(({ segment }) => isWanted(segment));
  const planned = await readablePlan(store, segments);
  return { store, planned, extents: planned.map(({ segment, endBytes }) => ({ segment, endBytes })) };
}

export function offsetText({ segment, endBytes }: Extent): WalOffsetText {
  return walOffsetText(makeWalOffset(segment, endBytes));
}
