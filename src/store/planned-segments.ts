import type { Manifest } from '../formats/repository/manifest.ts';
import { planSegment, type PlannedSegment } from '../core/backup/segment-plan.ts';
import { parsePieceKey, type Piece, piecesBySegment, timelinePrefix } from '../core/repository/piece.ts';
import type { Repository } from '../io/repository/port.ts';

/**
 * How to read every segment of a backup, without one stored object where that is known to be damaged.
 * Fails: missing-object, naming a piece that no other covers.
 */
export async function planSegments(repository: Repository, manifest: Manifest, exceptKey?: string): Promise<PlannedSegment[]> {
  const timelines = new Set(manifest.segments.flatMap(({ ranges }) => ranges.map((range) => range.timeline)));
  const pieces: Piece[] = [];
  for (const timeline of timelines) {
    for await (const { key } of repository.list(timelinePrefix(manifest.database, timeline))) {
      const piece = parsePieceKey(key);
      if (piece !== undefined && key !== exceptKey) pieces.push(piece);
    }
  }
  const stored = piecesBySegment(pieces);
  return manifest.segments.map((segment) => planSegment(manifest.database, segment, stored.get(segment.segment) ?? []));
}
