import type { SegmentId } from '../wal/segment-id.ts';
import type { Extent } from '../wal/wal-range.ts';
import type { Piece } from './piece.ts';

/** A timeline, and up to where its bytes belong to the timeline that is asked about. */
export type Ancestor = { timeline: string; /** Undefined: without a limit. */ untilBytes?: ReadonlyMap<SegmentId, number> };

export type TimelineNode = { timeline: string; parent: { timeline: string; extents: readonly Extent[] } | null };

/** The timeline itself first, then its parents, each cut at the fork; undefined where one is not known. */
export function lineageOf(timelines: ReadonlyMap<string, TimelineNode>, timeline: string): Ancestor[] | undefined {
  const lineage: Ancestor[] = [{ timeline }];
  let node = timelines.get(timeline);
  while (node !== undefined && node.parent !== null) {
    const untilBytes = new Map(node.parent.extents.map((extent) => [extent.segment, extent.endBytes]));
    lineage.push({ timeline: node.parent.timeline, untilBytes: narrowed(untilBytes, lineage.at(-1)?.untilBytes) });
    node = timelines.get(node.parent.timeline);
  }
  return node === undefined ? undefined : lineage;
}

/** Whether a history was begun from the other, by whatever restores and recoveries. */
export function descendsFrom(timelines: ReadonlyMap<string, TimelineNode>, timeline: string, ancestor: string): boolean {
  return (
    lineageOf(timelines, timeline)
      ?.slice(1)
      .some((parent) => parent.timeline === ancestor) ?? false
  );
}

/** Whether the piece's bytes belong to the history that the ancestor is part of. */
export function belongsTo(ancestor: Ancestor, piece: Piece): boolean {
  if (piece.timeline !== ancestor.timeline) return false;
  return ancestor.untilBytes === undefined || piece.endBytes <= (ancestor.untilBytes.get(piece.segment) ?? 0);
}

/** A grandparent counts up to its own fork and its child's, whichever is nearer. */
function narrowed(untilBytes: Map<SegmentId, number>, nearer: ReadonlyMap<SegmentId, number> | undefined): ReadonlyMap<SegmentId, number> {
  if (nearer === undefined) return untilBytes;
  return new Map([...untilBytes].map(([segment, end]) => [segment, Math.min(end, nearer.get(segment) ?? 0)]));
}
