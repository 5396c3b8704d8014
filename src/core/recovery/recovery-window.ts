import { type Ancestor, type Baseline, isPartOf, type TimelineNode } from '../backup/history.ts';
import type { BackupPosition } from '../backup/label.ts';
import type { ArchiveHole } from '../repository/continued-log.ts';
import { missingRanges, reachableSegments } from '../wal/continuity.ts';
import { type Extent, makeWalOffset, type SegmentId, type WalOffset, type WalOffsetText, walOffsetText } from '../wal/wal-offset.ts';

/** The backups of a history, its parents' before the fork too, in the order of the log. */
export function positionsOf(positions: readonly BackupPosition[], lineage: readonly Ancestor[]): BackupPosition[] {
  return inLogOrder(positions.filter((position) => lineage.some((ancestor) => isPartOf(position, ancestor))));
}

export function inLogOrder(positions: readonly BackupPosition[]): BackupPosition[] {
  return positions.toSorted(byEnd);
}

function byEnd(one: BackupPosition, other: BackupPosition): number {
  if (one.end !== other.end) return one.end < other.end ? -1 : 1;
  return one.sizeBytes - other.sizeBytes || one.writtenAtMs - other.writtenAtMs;
}

/** The backups that hold nothing which may be younger: a clock that was set back must not bring in what was written later. */
export function writtenBy(positions: readonly BackupPosition[], timeMs: number): readonly BackupPosition[] {
  const later = positions.findIndex(({ writtenAtMs }) => writtenAtMs > timeMs);
  return later < 0 ? positions : positions.slice(0, later);
}

/** A part of the log: the first offset of it, and the first one behind it. */
export type LogSpan = { from: WalOffsetText; to: WalOffsetText };

/** The first one is what matters; a log with more than so many has lost all that is behind. */
const HOLES_MAX = 20;

/** Which points of a history can be had. */
export type RecoveryWindow = {
  timeline: string;
  /** Any offset of it can be had, from the log's beginning on, or its baseline's end; null if that is missing. */
  offsets: LogSpan | null;
  /** Any time of it names a point that can be had (Unix ms, by the clocks of the backups); null if no backup lies within. */
  times: { sinceMs: number; untilMs: number } | null;
  /** What is missing of the log: the first `HOLES_MAX` parts of it. */
  holes: LogSpan[];
  /** What is stored behind the first hole, and can't be had; null if there is none. */
  lost: LogSpan | null;
  /** What the continuous archive makes of it; null if it has nothing of the history. */
  archive: ArchiveReach | null;
};

export type ArchiveReach = {
  /** When it has last found something new (Unix ms). */
  seenMs: number;
  /** How long before that it had looked the last time: about so wide is a time target. Null if it had not. */
  stepMs: number | null;
};

export type WindowInput = {
  timeline: string;
  /** Of the newest backup of the history: what it has of each segment, with what the archive holds beyond it. */
  extents: readonly Extent[];
  /** The segment that holds the state of all up to it: there is no point within it. Absent if the log begins with its very first. */
  baseline?: Pick<Baseline, 'segment' | 'soundFrom'> | undefined;
  /** Of its backups, its parents' too, in the order of the log. */
  positions: readonly BackupPosition[];
  archive?: (ArchiveReach & { hole?: ArchiveHole | undefined }) | undefined;
};

/** A server needs all of the log before a point to come to it, so that the window ends at the first hole. */
export function recoveryWindow({ timeline, extents, baseline, positions, archive }: WindowInput): RecoveryWindow {
  const sorted = [...extents].sort((one, other) => one.segment - other.segment);
  const segments = sorted.map(({ segment }) => segment);
  const reachable = new Set(reachableSegments(segments, baseline?.segment));
  const within = sorted.filter(({ segment }) => reachable.has(segment));
  const behind = sorted.filter(({ segment }) => !reachable.has(segment));
  const offsets = soundSpan(spanOf(within.filter(({ segment }) => segment > (baseline?.segment ?? 0))), baseline?.soundFrom);
  const missing = missingRanges(segments, baseline?.segment).slice(0, HOLES_MAX);
  const holes = missing.map(({ first, last }) => ({ from: beginOf(first), to: beginOf(last + 1) }));
  const times = timesWithin(positions, within.at(-1));
  const window = { timeline, offsets, times, holes, lost: spanOf(behind) };
  return archive === undefined ? { ...window, archive: null } : withArchive(window, archive);
}

/** Up to its end the archive knows times, if nothing keeps a server from there. */
function withArchive(window: Omit<RecoveryWindow, 'archive'>, { hole, ...reach }: NonNullable<WindowInput['archive']>): RecoveryWindow {
  const { times, holes, lost } = window;
  if (hole !== undefined) {
    const missing = { from: walOffsetText(endOf(hole.from)), to: walOffsetText(endOf(hole.to)) };
    const beyond = { from: missing.to, to: walOffsetText(endOf(hole.beyond)) };
    return { ...window, holes: [...holes, missing].slice(0, HOLES_MAX), lost: lost ?? beyond, archive: reach };
  }
  const isOpen = times !== null && holes.length === 0;
  return { ...window, times: isOpen ? { ...times, untilMs: Math.max(times.untilMs, reach.seenMs) } : times, archive: reach };
}

function spanOf(extents: readonly Extent[]): LogSpan | null {
  const [first] = extents;
  const last = extents.at(-1);
  return first === undefined || last === undefined ? null : { from: beginOf(first.segment), to: walOffsetText(endOf(last)) };
}

/** Without what stands before the first point. */
function soundSpan(span: LogSpan | null, soundFrom: WalOffset | undefined): LogSpan | null {
  if (span === null || soundFrom === undefined || BigInt(span.from) >= soundFrom) return span;
  return BigInt(span.to) < soundFrom ? null : { from: walOffsetText(soundFrom), to: span.to };
}

function beginOf(segment: number): WalOffsetText {
  return walOffsetText(makeWalOffset(segment as SegmentId, 0));
}

function endOf({ segment, endBytes }: Extent): WalOffset {
  return makeWalOffset(segment, endBytes);
}

function timesWithin(positions: readonly BackupPosition[], last: Extent | undefined): RecoveryWindow['times'] {
  const behindAt = positions.findIndex(({ end }) => last === undefined || end > endOf(last));
  const within = behindAt < 0 ? positions : positions.slice(0, behindAt);
  const [first] = within;
  if (first === undefined) return null;
  const latestMs = within.reduce((latest, { writtenAtMs }) => Math.max(latest, writtenAtMs), first.writtenAtMs);
  // From the next backup's time on, that one is meant, unless an earlier one's clock was ahead of it.
  const next = behindAt < 0 ? undefined : positions[behindAt];
  return { sinceMs: first.writtenAtMs, untilMs: next === undefined ? latestMs : Math.max(latestMs, next.writtenAtMs) - 1 };
}

/** A history that the database has had. */
export type DrawnTimeline = {
  timeline: string;
  /** What it was begun from, and at which offset; null for the first one. */
  parent: { timeline: string; at: WalOffsetText } | null;
  /** `inUse`: the data in place continue it. `before`: it was continued by the one in use. `left`: a restore has left it. `imported`: an archive of other tools held it. */
  standing: 'inUse' | 'before' | 'left' | 'imported';
  /** How far it is stored: up to its fork, where it has no backup of its own. */
  end: WalOffsetText;
  /** Its own ones. */
  backups: number;
  /** When the newest of them was written (Unix ms). */
  writtenAtMs: number | null;
};

/** All of them, the one that was begun last first. */
export function drawnTimelines(
  timelines: ReadonlyMap<string, TimelineNode>,
  positions: readonly BackupPosition[],
  lineage: readonly Ancestor[],
): DrawnTimeline[] {
  const own = Map.groupBy(positions, ({ timeline }) => timeline);
  return (
    [...timelines.values()]
      // An import that has failed leaves one, and nothing in it.
      .filter(({ timeline, why }) => why !== 'import' || own.has(timeline))
      .sort((one, other) => Number(other.timeline) - Number(one.timeline))
      .map(({ timeline, parent, why }) => {
        const at = parent === null ? makeWalOffset(0 as SegmentId, 0) : forkOf(parent.extents);
        const backups = own.get(timeline) ?? [];
        const newest = inLogOrder(backups).at(-1);
        const depth = lineage.findIndex((ancestor) => ancestor.timeline === timeline);
        return {
          timeline,
          parent: parent === null ? null : { timeline: parent.timeline, at: walOffsetText(at) },
          standing: standingOf(depth, why),
          end: walOffsetText(newest?.end ?? at),
          backups: backups.length,
          writtenAtMs: newest?.writtenAtMs ?? null,
        };
      })
  );
}

function standingOf(depth: number, why: string | undefined): DrawnTimeline['standing'] {
  if (depth >= 0) return depth === 0 ? 'inUse' : 'before';
  return why === 'import' ? 'imported' : 'left';
}

function forkOf(extents: readonly Extent[]): WalOffset {
  const ends = extents.filter(({ endBytes }) => endBytes > 0).map(endOf);
  return ends.reduce((highest, end) => (end > highest ? end : highest), makeWalOffset(0 as SegmentId, 0));
}
