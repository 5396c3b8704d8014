import { lineageOf, type TimelineNode } from '../../core/backup/history.ts';
import type { BackupPosition } from '../../core/backup/label.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { positionsOf } from '../../core/recovery/recovery-window.ts';
import type { RecoveryTarget } from '../../core/recovery/target.ts';
import { type Extent, makeWalOffset, type SegmentId, type WalOffsetText, walOffsetText } from '../../core/wal/wal-offset.ts';
import type { Timeline } from '../../formats/repository/history.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import { type StoredLog, storedLogUpTo } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import { FIRST_TIMELINE } from '../../store/timelines.ts';

/** One history of the database, as one repository has it stored. */
export type StoredHistory = {
  store: Store;
  timeline: string;
  timelines: ReadonlyMap<string, TimelineNode>;
  /** Its backups and its parents' before the fork, in the order of the log. */
  positions: BackupPosition[];
  /** The newest one that can be read. Of a history without a backup of its own, the one that it was begun from. */
  newest: Manifest;
  /** How far the newest one's log belongs to the history. */
  end: Extent;
};

export type WantedPoint = {
  target: RecoveryTarget;
  /** A history that the database has had; the one in use where absent. */
  timeline?: string | undefined;
};

/** Fails: backup-not-found, mark-not-found, point-not-found (no such timeline). */
export async function openHistory(store: Store, { timeline: wanted, target }: WantedPoint): Promise<StoredHistory> {
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
  const begun = parent === null || newest?.timeline === timeline ? undefined : await backups.readable(parent.label);
  const fork = parent?.extents.at(-1);
  if (begun !== undefined && fork !== undefined) return { newest: begun, end: fork };
  return newest && { newest, end: lastExtent(newest) };
}

/** How far a backup goes. */
export function lastExtent({ segments }: Manifest): Extent {
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

/** What the backup has of the log up to there. Fails: missing-object. */
export async function logUpTo(store: Store, manifest: Manifest, end: Extent): Promise<StoredLog> {
  const segments = manifest.segments.filter(({ segment }) => segment <= end.segment);
  return storedLogUpTo(store, await store.pieces.plan({ ...manifest, segments }), end);
}

/** What is stored of some segments. Fails: missing-object. */
export async function logOfHistory({ store, newest, end }: StoredHistory, isWanted: (segment: SegmentId) => boolean): Promise<StoredLog> {
  return logUpTo(store, { ...newest, segments: newest.segments.filter(({ segment }) => isWanted(segment)) }, end);
}

/** The whole of some segments. Fails: missing-object. */
export async function logOfSegments(store: Store, manifest: Manifest, isWanted: (segment: SegmentId) => boolean): Promise<StoredLog> {
  const planned = await store.pieces.plan({ ...manifest, segments: manifest.segments.filter(({ segment }) => isWanted(segment)) });
  return { store, planned, extents: planned.map(({ segment, endBytes }) => ({ segment, endBytes })) };
}

export function offsetText({ segment, endBytes }: Extent): WalOffsetText {
  return walOffsetText(makeWalOffset(segment, endBytes));
}
