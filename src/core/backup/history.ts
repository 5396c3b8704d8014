import type { BackupPosition } from './label.ts';
import { type Extent, makeWalOffset, type SegmentId, type WalOffset } from '../wal/wal-offset.ts';
import type { Piece } from '../repository/piece.ts';

export type Placed = {
  /** Whether it belongs to the history in use; else a restore or a recovery has left its history. */
  isInUse: boolean;
  /** Whether an archive of other tools held it, and no restore has put it in use: it says nothing of how well the database is protected. */
  isImported: boolean;
};
export type PlacedBackup = BackupPosition & Placed;

/**
 * The newest first: those of the history in use, by how much of it they hold, then those of abandoned histories.
 * `inUse` is the timeline that the owner's data directory continues; where it is not known, the timeline that was begun
 * last among those with a backup counts, and imports only if there is nothing else. Equal ones stay in their order.
 */
export function orderBackups<Position extends BackupPosition>(
  positions: readonly Position[],
  timelines: ReadonlyMap<string, TimelineNode>,
  inUse: string | undefined,
): (Position & Placed)[] {
  const lineage = lineageInUse(positions, timelines, inUse);
  const depthOf = (position: Position): number => lineage.findIndex((ancestor) => isPartOf(position, ancestor));
  return positions
    .map((position) => ({ position, depth: depthOf(position) }))
    .sort((one, other) => byDepth(one.depth, other.depth) || byLog(one, other))
    .map(({ position, depth }) => {
      const isImported = depth < 0 && timelines.get(position.timeline)?.why === 'import';
      return { ...position, isInUse: depth >= 0, isImported };
    });
}

/**
 * The backups of the history in use that the clock puts after a newer one: it was wrong when one of the two was made.
 * `backups` as `orderBackups` gives them.
 */
export function laterByClock(backups: readonly PlacedBackup[]): PlacedBackup[] {
  let earliestMs = Number.POSITIVE_INFINITY;
  const later: PlacedBackup[] = [];
  for (const backup of backups.filter(({ isInUse }) => isInUse)) {
    if (backup.writtenAtMs > earliestMs) later.push(backup);
    earliestMs = Math.min(earliestMs, backup.writtenAtMs);
  }
  return later;
}

function lineageInUse(
  positions: readonly BackupPosition[],
  timelines: ReadonlyMap<string, TimelineNode>,
  inUse: string | undefined,
): Ancestor[] {
  const known = inUse === undefined ? undefined : lineageOf(timelines, inUse);
  if (known !== undefined) return known;
  const own = positions.filter(({ timeline }) => timelines.get(timeline)?.why !== 'import').map(({ timeline }) => timeline);
  const last = own.sort(byNumber)[0] ?? newestByLog(positions)?.timeline;
  if (last === undefined) return [];
  return lineageOf(timelines, last) ?? [{ timeline: last }];
}

/** Of imports alone: in whatever order they were imported, the one with the most log counts. */
function newestByLog(positions: readonly BackupPosition[]): BackupPosition | undefined {
  return [...positions].sort((one, other) => compare(other.end, one.end) || compare(other.label, one.label))[0];
}

/** Whether the whole backup lies before the fork at which its timeline was left. */
export function isPartOf({ timeline, end, sizeBytes }: BackupPosition, ancestor: Ancestor): boolean {
  if (timeline !== ancestor.timeline) return false;
  if (ancestor.untilBytes === undefined) return true;
  const fork = logOf(ancestor.untilBytes);
  return end < fork.end || (end === fork.end && sizeBytes <= fork.sizeBytes);
}

function logOf(untilBytes: ReadonlyMap<SegmentId, number>): { end: bigint; sizeBytes: number } {
  let end = 0n;
  let sizeBytes = 0;
  for (const [segment, endBytes] of untilBytes) {
    const here = makeWalOffset(segment, endBytes);
    if (here > end) end = here;
    sizeBytes += endBytes;
  }
  return { end, sizeBytes };
}

/** A child's backup holds the parent's log up to the fork, and is newer for that; below 0 is an abandoned history. */
function byDepth(one: number, other: number): number {
  return Number(one < 0) - Number(other < 0) || Math.max(one, 0) - Math.max(other, 0);
}

type Compared = { position: BackupPosition };

function byLog({ position: one }: Compared, { position: other }: Compared): number {
  return (
    byNumber(one.timeline, other.timeline) ||
    compare(other.end, one.end) ||
    compare(other.sizeBytes, one.sizeBytes) ||
    compare(other.writtenAtMs, one.writtenAtMs) ||
    compare(other.label, one.label)
  );
}

/** The timeline that was begun last comes first. */
function byNumber(one: string, other: string): number {
  return Number(other) - Number(one);
}

function compare<T extends bigint | number | string>(one: T, other: T): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** A timeline, and which of its bytes belong to the timeline that is asked about. */
export type Ancestor = {
  timeline: string;
  /** Up to where it goes; undefined: without a limit. */
  untilBytes?: ReadonlyMap<SegmentId, number>;
  /** A baseline stands for its segments up to this one, so that none of their bytes belongs to it. */
  behind?: SegmentId | undefined;
};

export type TimelineNode = {
  timeline: string;
  /** What has begun it; that of an `import` was never in use here, unless a restore has made it so. */
  why?: string | undefined;
  /** Present where a baseline begins this timeline's log, and not yet its parent's: it stands for that one's segments up to this one. */
  baseline?: SegmentId | undefined;
  /** The first point of such a log, if that lies behind the baseline's end. */
  soundFrom?: WalOffset | undefined;
  parent: { timeline: string; extents: readonly Extent[] } | null;
};

/** The timeline itself first, then its parents, each cut at the fork; undefined where one is not known. */
export function lineageOf(timelines: ReadonlyMap<string, TimelineNode>, timeline: string): Ancestor[] | undefined {
  const lineage: Ancestor[] = [{ timeline }];
  let node = timelines.get(timeline);
  let behind: SegmentId | undefined;
  while (node !== undefined && node.parent !== null) {
    behind = higher(behind, node.baseline);
    lineage.push({ timeline: node.parent.timeline, untilBytes: narrowed(node, lineage.at(-1)?.untilBytes), behind });
    node = timelines.get(node.parent.timeline);
  }
  return node === undefined ? undefined : lineage;
}

function higher(one: SegmentId | undefined, other: SegmentId | undefined): SegmentId | undefined {
  return one === undefined || (other !== undefined && other > one) ? other : one;
}

/** The segment with which a log begins, in place of all before it. */
export type Baseline = {
  segment: SegmentId;
  /** The timeline that still has what stood before it, if this repository does. */
  earlier: string | undefined;
  /** The first point of the log, if that lies behind the baseline's end. */
  soundFrom: WalOffset | undefined;
};

/** Undefined for a log that begins with the server's first segment. A restore hands its baseline on to the timeline that it begins. */
export function baselineOf(timelines: ReadonlyMap<string, TimelineNode>, timeline: string): Baseline | undefined {
  let node = timelines.get(timeline);
  while (node !== undefined) {
    const { baseline, soundFrom, parent }: TimelineNode = node;
    if (baseline !== undefined) return { segment: baseline, earlier: parent?.timeline, soundFrom };
    node = parent === null ? undefined : timelines.get(parent.timeline);
  }
  return undefined;
}

/** The files of a timeline's log. What stands before its baseline is no part of it, though a rescue leaves it where it lies. */
export function filesOfTimeline<File extends { segment: SegmentId }>(
  files: readonly File[],
  timelines: ReadonlyMap<string, TimelineNode>,
  timeline: string,
): File[] {
  const first = baselineOf(timelines, timeline)?.segment ?? 0;
  return files.filter(({ segment }) => segment >= first);
}

/** Whether a history was begun from the other, by whatever restores and recoveries. */
export function descendsFrom(timelines: ReadonlyMap<string, TimelineNode>, timeline: string, ancestor: string): boolean {
  return (
    lineageOf(timelines, timeline)
      ?.slice(1)
      .some((parent) => parent.timeline === ancestor) ?? false
  );
}

/** A log as a history has it. */
export type LogOfTimeline = { timeline: string; extents: readonly Extent[] };

/** How much of each segment two logs have in common; nothing, where no history is known that both go back to. */
export function sharedLog(
  timelines: ReadonlyMap<string, TimelineNode>,
  one: LogOfTimeline,
  other: LogOfTimeline,
): ReadonlyMap<SegmentId, number> {
  const others = new Map(lineageOf(timelines, other.timeline)?.map((ancestor) => [ancestor.timeline, ancestor]));
  const common = lineageOf(timelines, one.timeline)?.find(({ timeline }) => others.has(timeline));
  if (common === undefined) return new Map();
  const limits = [common.untilBytes, others.get(common.timeline)?.untilBytes];
  const behind = higher(common.behind, others.get(common.timeline)?.behind) ?? 0;
  const ends = new Map(other.extents.map(({ segment, endBytes }) => [segment, endBytes]));
  const within = (segment: SegmentId, endBytes: number): number =>
    limits.reduce(
      (least, limit) => (limit === undefined ? least : Math.min(least, limit.get(segment) ?? 0)),
      segment > behind ? endBytes : 0,
    );
  return new Map(one.extents.map(({ segment, endBytes }) => [segment, within(segment, Math.min(endBytes, ends.get(segment) ?? 0))]));
}

/** Whether the piece's bytes belong to the history that the ancestor is part of. */
export function belongsTo(ancestor: Ancestor, piece: Piece): boolean {
  if (piece.timeline !== ancestor.timeline || piece.segment <= (ancestor.behind ?? 0)) return false;
  // An empty segment belongs to it only if it is named.
  return ancestor.untilBytes === undefined || piece.endBytes <= (ancestor.untilBytes.get(piece.segment) ?? -1);
}

/** A grandparent counts up to its own fork and its child's, whichever is nearer. What the child's baseline stands for counts whole. */
function narrowed({ parent, baseline = 0 as SegmentId }: TimelineNode, nearer: Ancestor['untilBytes']): ReadonlyMap<SegmentId, number> {
  const ends = (parent?.extents ?? []).flatMap(({ segment, endBytes }): [SegmentId, number][] => {
    if (nearer === undefined || segment <= baseline) return [[segment, endBytes]];
    // A segment may be empty, and the last one all the same: one that the child had not is left out.
    const limit = nearer.get(segment);
    return limit === undefined ? [] : [[segment, Math.min(endBytes, limit)]];
  });
  return new Map(ends);
}
