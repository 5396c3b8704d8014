import { assert } from '../errors/assert.ts';
import { seededRandom } from '../random/seeded-random.ts';
import type { SegmentId } from '../wal/segment-id.ts';
import type { Extent } from '../wal/wal-range.ts';

/** A position in the log; a recovery to it ends with the first record that ends at or past it. */
export type LogPosition = { segment: SegmentId; positionBytes: number };

/** One of the backups, and a position in its log, both decided by the seed. */
export function chooseLabel(labels: readonly string[], seed: number): string {
  const label = labels[Math.floor(seededRandom(seed)() * labels.length)];
  assert(label !== undefined, 'a choice is made among at least one');
  return label;
}

/** A position that is spread evenly over the log's bytes. `extents` hold at least one byte. */
export function choosePosition(extents: readonly Extent[], seed: number): LogPosition {
  const random = seededRandom(seed ^ 0x9e3779b9);
  const sizeBytes = extents.reduce((sum, extent) => sum + extent.endBytes, 0);
  let restBytes = 1 + Math.floor(random() * sizeBytes);
  for (const { segment, endBytes } of extents) {
    if (restBytes <= endBytes) return { segment, positionBytes: restBytes };
    restBytes -= endBytes;
  }
  assert(false, 'the position lies within the log');
}
