import { isDeepStrictEqual } from 'node:util';
import { baselineOf, lineageOf } from '../../core/backup/history.ts';
import { type Piece, piecesBySegment, planCover } from '../../core/repository/piece.ts';
import { FIRST_SEGMENT, missingRanges, type SegmentHole } from '../../core/wal/continuity.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import { createBandwidth } from '../../store/bandwidth.ts';
import { copyPiece } from '../../store/copy/copy-object.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

type Absent = { store: Store; timeline: string; /** The segments that the data directory has, sorted. */ present: readonly SegmentId[] };

/**
 * Copies from the database's other repositories what this one lacks of segments that no file has any more, a baseline among them: where one
 * of them has it, nothing is lost. They are only asked if something is missing; one that is away or has another history is passed over.
 * Fails: repository-unavailable, not-enough-space, owner-outdated, all of this one. Twice: nothing is left to do.
 */
export async function copyAbsent(deps: ActivityDeps, absent: Absent, run: RunPort): Promise<void> {
  const { store, timeline } = absent;
  const catalogue = deps.catalogueOf(store.database);
  if (catalogue.names.length === 1) return;
  const missing = await missingSegments(absent);
  if (missing.length === 0) return;
  await catalogue.each(async (other) => {
    if (other.name === store.name || !(await hasSameHistory(other, absent))) return;
    for (const [segment, pieces] of piecesBySegment(await other.pieces.of(timeline))) {
      if (missing.some(({ first, last }) => segment >= first && segment <= last)) await copySegment(other, { store, pieces, run });
    }
  });
  store.pieces.relist();
}

/** Between the log's beginning or its baseline and the last segment that is there, which may have any number: somebody may have put it there. */
async function missingSegments({ store, timeline, present }: Absent): Promise<SegmentHole[]> {
  const baseline = baselineOf(await store.timelines.having(timeline), timeline)?.segment;
  const first = baseline ?? FIRST_SEGMENT;
  const last = present.at(-1) ?? 0;
  const stored = [...piecesBySegment(await store.pieces.of(timeline))].filter(([, pieces]) => isWhole(pieces)).map(([segment]) => segment);
  const there = new Set([...present, ...stored.filter((segment) => segment < last)]);
  return missingRanges(
    [...there].filter((segment) => segment >= first),
    baseline,
  );
}

function isWhole(pieces: readonly Piece[]): boolean {
  return planCover(pieces, Math.max(...pieces.map(({ endBytes }) => endBytes))).missing.length === 0;
}

/** Two repositories that never met may have given one id to two histories. */
async function hasSameHistory(other: Store, { store, timeline }: Absent): Promise<boolean> {
  const [ours, theirs] = [await store.timelines.all(), await other.timelines.all()];
  const lineage = lineageOf(ours, timeline) ?? [];
  return lineage.every(({ timeline: one }) => isDeepStrictEqual(ours.get(one), theirs.get(one)));
}

type Copied = { store: Store; pieces: readonly Piece[]; run: RunPort };

async function copySegment(from: Store, { store, pieces, run }: Copied): Promise<void> {
  const { pieces: chain, missing } = planCover(pieces, Math.max(0, ...pieces.map(({ endBytes }) => endBytes)));
  if (missing.length > 0) return;
  const between = { source: from, place: 0, target: store, bandwidth: createBandwidth(undefined), run, isDamaged: () => false };
  for (const piece of chain) await copyPiece(between, piece);
}
