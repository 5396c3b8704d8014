import type { Manifest } from '../formats/repository/manifest.ts';
import { planSegment, type PlannedSegment } from '../core/backup/segment-plan.ts';
import { parsePieceKey, type Piece, piecesBySegment, timelinePrefix } from '../core/repository/piece.ts';
import type { Repository } from '../io/repository/port.ts';

type Listing = { listTimeline: (timeline: string) => Promise<readonly Piece[]>; exceptKey?: string | undefined };

/**
 * How to read every segment of a backup, without one stored object if that is known to be damaged.
 * Fails: missing-object, naming a piece that no other covers.
 */
export async function planFrom(manifest: Manifest, { listTimeline, exceptKey }: Listing): Promise<PlannedSegment[]> {
  const timelines = new Set(manifest.segments.flatMap(({ ranges }) => ranges.map((range) => range.timeline)));
  const pieces: Piece[] = [];
  for (const timeline of timelines) {
    for (const piece of await listTimeline(timeline)) if (piece.key !== exceptKey) pieces.push(piece);
  }
  const stored = piecesBySegment(pieces);
  return manifest.segments.map((segment) => planSegment(manifest.database, segment, stored.get(segment.segment) ?? []));
}

/** @see planFrom */
export async function planSegments(repository: Repository, manifest: Manifest, exceptKey?: string): Promise<PlannedSegment[]> {
  return planFrom(manifest, { listTimeline: (timeline) => listPieces(repository, manifest.database, timeline), exceptKey });
}

/** Every piece of one timeline. */
export async function listPieces(repository: Repository, database: string, timeline: string): Promise<Piece[]> {
  const pieces: Piece[] = [];
  for await (const key of repository.keys(timelinePrefix(database, timeline))) {
    const piece = parsePieceKey(key);
    if (piece !== undefined) pieces.push(piece);
  }
  return pieces;
}
