import { baselineOf, lineageOf } from '../../core/backup/history.ts';
import { type PlannedSegment, promisedExtents } from '../../core/backup/segment-plan.ts';
import { writtenBy, positionsOf } from '../../core/recovery/recovery-window.ts';
import { makeWalOffset, type SegmentId } from '../../core/wal/wal-offset.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import type { Store } from '../../store/store.ts';

const DAY_MS = 24 * 3600 * 1000;

type Restored = {
  manifest: Manifest;
  /** The history of what is restored of its log. */
  timeline: string;
  /** What is restored of its log; the last one may be cut. */
  segments: readonly PlannedSegment[];
  endBytes: number;
  historyDays: number;
};

/**
 * The segment up to which all was written so many days before the restored point: a baseline can take the place of what the log has up to
 * there. Undefined where that is no more than the log's first segment. A backup that was complete by then says how far each segment
 * reached; one that has grown since is newer, wherever it stands. If a clock was set back, the order of the log decides.
 */
export async function chooseBaseline(store: Store, restored: Restored): Promise<RestorePlan['baseline']> {
  const { timeline, segments } = restored;
  const old = await backupOfThatTime(store, restored);
  if (old === undefined) return undefined;
  const present = baselineOf(await store.timelines.having(timeline), timeline)?.segment ?? 0;
  const ends = new Map(promisedExtents(old.segments).map(({ segment, endBytes }) => [segment, endBytes]));
  const isOld = ({ segment, endBytes }: PlannedSegment): boolean => segment <= present || ends.get(segment) === endBytes;
  const firstNewer = segments.slice(0, -1).findIndex((planned) => !isOld(planned));
  const replaced = segments.slice(0, firstNewer < 0 ? -1 : firstNewer);
  const last = replaced.at(-1);
  if (last === undefined || replaced.length < 2) return undefined;
  const replacedBytes = replaced.reduce((sum, { endBytes }) => sum + endBytes, 0);
  return { segment: last.segment, replacedBytes, writtenBeforeMs: old.writtenAtMs };
}

/** All but the last segment, which the server goes on writing; undefined if only a baseline stands before that, or nothing. */
export async function allButLast(
  store: Store,
  { manifest, timeline, segments }: Pick<Restored, 'manifest' | 'timeline' | 'segments'>,
): Promise<RestorePlan['baseline']> {
  const replaced = segments.slice(0, -1);
  const last = replaced.at(-1);
  if (last === undefined || last.segment === baselineOf(await store.timelines.having(timeline), timeline)?.segment) return undefined;
  const replacedBytes = replaced.reduce((sum, { endBytes }) => sum + endBytes, 0);
  return { segment: last.segment, replacedBytes, writtenBeforeMs: manifest.writtenAtMs };
}

/** The newest readable backup of the history that was complete so long before the restored point. */
async function backupOfThatTime(store: Store, { timeline, segments, endBytes, historyDays }: Restored): Promise<Manifest | undefined> {
  const end = makeWalOffset(segments.at(-1)?.segment ?? (0 as SegmentId), endBytes);
  const lineage = lineageOf(await store.timelines.having(timeline), timeline) ?? [];
  const { positions: all } = await store.backups.positions();
  const positions = positionsOf(all, lineage).filter((position) => position.end <= end);
  const nearest = positions.at(-1);
  const pointAtMs = nearest === undefined ? undefined : (await store.backups.readable(nearest.label))?.createdAtMs;
  if (pointAtMs === undefined) return undefined;
  for (const { label } of writtenBy(positions, pointAtMs - historyDays * DAY_MS).toReversed()) {
    const old = await store.backups.readable(label);
    if (old !== undefined) return old;
  }
  return undefined;
}
