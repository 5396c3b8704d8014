import { rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type SegmentId, segmentFileName } from '../../core/wal/segment-id.ts';
import { listSegments } from './segments.ts';

/**
 * Ends a copied log at a record boundary of its last segment: longer files are cut, later ones removed. Never one that
 * a server has open. Twice: no-op.
 */
export async function cutLog(walDir: string, last: { segment: SegmentId; endBytes: number }): Promise<void> {
  for (const { segment, path } of (await listSegments(walDir)) ?? []) {
    if (segment > last.segment) await rm(path);
  }
  const path = join(walDir, segmentFileName(last.segment));
  if ((await stat(path)).size > last.endBytes) await truncate(path, last.endBytes);
}
