import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { closeStaging, writeStagedSegment } from '../../io/data-directory/staging.ts';
import type { Repository } from '../../io/repository/port.ts';
import { type ByteProgress, byteProgress } from '../byte-progress.ts';
import type { RunPort } from '../run-port.ts';
import { allEnded, batchesOf } from '../../store/small-batches.ts';
import { storedSegment } from '../../store/stored-segment.ts';

/** So many small segments are written side by side. */
const BATCH_SEGMENTS_MAX = 16;

type Staging = { repository: Repository; planned: readonly PlannedSegment[]; walDir: string; run: RunPort };

/**
 * Fetches whole segments into a folder, each checked while it streams in; all are durable at the end.
 * Fails: missing-object, truncated-object, damaged-object, not-enough-space, repository-unavailable. Twice: what is
 * there is kept.
 */
export async function stageSegments(staging: Staging): Promise<void> {
  const { walDir, run, planned } = staging;
  const progress = byteProgress(
    run,
    planned.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  for (const batch of batchesOf(planned, { sizeBytesOf: ({ endBytes }) => endBytes, countMax: BATCH_SEGMENTS_MAX })) {
    progress.doing(segmentFileName(batch[0].segment));
    await stageBatch(staging, batch, progress);
  }
  await closeStaging(walDir);
}

async function stageBatch({ repository, walDir, run }: Staging, batch: readonly PlannedSegment[], progress: ByteProgress): Promise<void> {
  const { signal } = run;
  const writing = batch.map((planned) => {
    const content = (): AsyncIterable<Uint8Array> => counted(storedSegment({ repository, planned, signal }), progress);
    return writeStagedSegment({ walDir, segment: planned.segment, sizeBytes: planned.endBytes, content, signal });
  });
  await allEnded(writing);
}

async function* counted(chunks: AsyncIterable<Uint8Array>, progress: ByteProgress): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    progress.add(chunk.length);
    yield chunk;
  }
}
