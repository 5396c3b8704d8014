import { join } from 'node:path';
import type { RestorePlan } from '../../formats/repository/restore-plan.ts';
import { segmentFileName } from '../../core/wal/segment-id.ts';
import type { ReplaySource } from '../../replay/replay-segments.ts';

/** The log that a plan restores, as it lies in a wal/ folder: to be replayed. */
export function plannedFiles({ segments }: RestorePlan, walDir: string): ReplaySource {
  return { extents: segments, pathOf: (segment) => join(walDir, segmentFileName(segment)), damageCode: 'damaged-object' };
}
