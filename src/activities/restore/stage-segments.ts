import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { segmentFileName } from '../../core/wal/segment-id.ts';
import { writeStagedSegment } from '../../io/data-directory/staging.ts';
import type { Repository } from '../../io/repository/repository.ts';
import type { RunPort } from '../run-port.ts';
import { storedSegment } from '../stored/stored-segment.ts';

/**
 * Fetches whole segments into a folder, each checked while it streams in, durable when its name appears.
 * Fails: missing-object, truncated-object, damaged-object, not-enough-space, repository-unavailable. Twice: what is
 * there is kept.
 */
export async function stageSegments(work: {
  repository: Repository;
  planned: readonly PlannedSegment[];
  walDir: string;
  run: RunPort;
}): Promise<void> {
  const { repository, walDir, run } = work;
  const { signal } = run;
  let bytesDone = 0;
  for (const planned of work.planned) {
    run.report({ fetching: segmentFileName(planned.segment), bytesDone });
    const content = (): AsyncIterable<Uint8Array> => storedSegment({ repository, planned, signal });
    await writeStagedSegment({ walDir, segment: planned.segment, sizeBytes: planned.endBytes, content, signal });
    bytesDone += planned.endBytes;
  }
}
