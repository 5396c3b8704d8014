import { join } from 'node:path';
import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { closeStaging, writeStagedSegment } from '../../io/data-directory/restores.ts';
import { type ByteProgress, byteProgress } from '../../replay/progress.ts';
import { allEnded, batchesOf } from '../../store/small-batches.ts';
import { createRangeCheck } from '../../store/stored-object.ts';
import type { RunPort } from '../run-port.ts';
import type { SegmentCopies } from './segment-copies.ts';

/** So many small segments are written side by side. */
const BATCH_SEGMENTS_MAX = 16;

type Staging = {
  copies: Pick<SegmentCopies, 'fetch'>;
  planned: readonly PlannedSegment[];
  walDir: string;
  run: RunPort;
  /** A folder of this host that may have the same segments: what is right there needn't be fetched. */
  copyDir?: string | undefined;
};

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

async function stageBatch(staging: Staging, batch: readonly PlannedSegment[], progress: ByteProgress): Promise<void> {
  await allEnded(batch.map((planned) => stageSegment(staging, planned, progress)));
}

async function stageSegment({ copies, walDir, run, copyDir }: Staging, planned: PlannedSegment, progress: ByteProgress): Promise<void> {
  const { signal } = run;
  const { segment, endBytes: sizeBytes } = planned;
  const write = async (chunks: () => AsyncIterable<Uint8Array>): Promise<void> => {
    await writeStagedSegment({ walDir, segment, sizeBytes, content: () => counted(chunks(), progress), signal });
  };
  const fetch = (): Promise<void> => copies.fetch(planned, write);
  if (copyDir === undefined) return fetch();
  try {
    await write(() => copiedSegment(join(copyDir, segmentFileName(segment)), planned, signal));
  } catch (error) {
    if (!(error instanceof RstowError) || !COPY_FAULTS.includes(error.code)) throw error;
    await fetch();
  }
}

/** The copy is gone by now, its disk can't read it, or it holds other bytes: the repository has them. */
const COPY_FAULTS: readonly string[] = ['data-directory-replaced', 'source-damaged', 'damaged-object'];

/** A copied file, each of whose ranges has to be what the backup holds. */
async function* copiedSegment(path: string, planned: PlannedSegment, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const ranges = createRangeCheck(planned.ranges);
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: planned.endBytes, signal })) {
    ranges.push(chunk, path);
    yield chunk;
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, progress: ByteProgress): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    progress.add(chunk.length);
    yield chunk;
  }
}
