import type { Manifest } from '../formats/repository/manifest.ts';
import { pieceKey } from '../core/repository/piece.ts';

/** The hash of the plain bytes that a backup promises under each key; none where there is no backup. */
export function promisedHashes(manifest: Manifest | undefined): Map<string, string> {
  if (manifest === undefined) return new Map();
  const { database, segments } = manifest;
  const ranges = segments.flatMap(({ segment, ranges: own }) => own.map((range) => ({ segment, ...range })));
  return new Map(ranges.map((range) => [pieceKey(database, range.timeline, range), range.sha256]));
}
