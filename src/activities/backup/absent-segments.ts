import { join } from 'node:path';
import type { Fence } from '../../formats/repository/plans.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { type Piece, piecesBySegment, planCover } from '../../core/repository/piece.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { makeScratch, noteRun } from '../../io/agent-state/run-files.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { stageSegments } from '../restore/stage-wal.ts';
import type { RunPort } from '../run-port.ts';
import type { Store } from '../../store/store.ts';

/**
 * Segments that are stored and no longer in the data directory, as compaction leaves it: they are part of the log. One
 * that is stored with a hole is none of them; an empty one has no piece, and only the backup before knows it. Sorted.
 */
export function absentExtents(stored: readonly Piece[], fence: Fence, before: Manifest | undefined): Extent[] {
  const present = new Set(fence.segments.map(({ segment }) => segment));
  const extents = (before?.segments ?? [])
    .filter(({ segment, ranges }) => ranges.length === 0 && !present.has(segment))
    .map(({ segment }) => ({ segment, endBytes: 0 }));
  const empty = new Set(extents.map(({ segment }) => segment));
  for (const [segment, pieces] of piecesBySegment(stored)) {
    if (present.has(segment) || empty.has(segment)) continue;
    const endBytes = Math.max(...pieces.map((piece) => piece.endBytes));
    if (planCover(pieces, endBytes).missing.length === 0) extents.push({ segment, endBytes });
  }
  return extents.sort((left, right) => left.segment - right.segment);
}

export type AbsentSegments = { store: Store; fence: Fence; extents: readonly Extent[] };

/**
 * Fetches what the data directory lacks of the log into the run's scratch folder, for a replay from the beginning.
 * Fails: not-enough-space, missing-object, truncated-object, damaged-object. Twice: whole segments are kept.
 */
export async function stageAbsent(deps: ActivityDeps, absent: AbsentSegments, run: RunPort): Promise<Map<SegmentId, string>> {
  const { store, fence, extents } = absent;
  const present = new Set(fence.segments.map(({ segment }) => segment));
  const wanted = extents.filter(({ segment }) => !present.has(segment));
  if (wanted.length === 0) return new Map();
  const stored = piecesBySegment(await store.pieces.of(fence.timeline));
  const planned: PlannedSegment[] = [];
  for (const extent of wanted) planned.push(await planWhole({ store, run }, extent, stored.get(extent.segment) ?? []));
  await noteRun(deps.config.agent.stateDir, run);
  const walDir = join(await makeScratch(deps.config.agent.stateDir, run.runId), 'wal');
  await requireSpace(
    walDir,
    wanted.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  await stageSegments({ store, planned, walDir, run });
  return new Map(wanted.map(({ segment }) => [segment, join(walDir, segmentFileName(segment))]));
}

type Reading = { store: Store; run: RunPort };

/** By the sidecars: a manifest that promises these ranges may not be there. */
async function planWhole({ store, run }: Reading, extent: Extent, stored: readonly Piece[]): Promise<PlannedSegment> {
  const { pieces } = planCover(stored, extent.endBytes);
  const ranges: PlannedSegment['ranges'] = [];
  for (const piece of pieces) {
    const { sha256, records } = await store.pieces.sidecar(piece, run);
    ranges.push({ endBytes: piece.endBytes, sha256, records });
  }
  const slices = pieces.map(({ key, startBytes, endBytes }) => ({ key, skipBytes: 0, takeBytes: endBytes - startBytes }));
  return { ...extent, slices, ranges };
}
