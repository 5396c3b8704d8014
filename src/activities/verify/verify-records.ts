import { createSequenceCounter } from '../../core/wal/continuity.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { type ByteProgress, byteProgress } from '../byte-progress.ts';
import type { Verification, Verified } from './verification.ts';

/** Decompresses the whole log and checks every record and every range. Fails: missing-object, truncated-object, damaged-object. */
export async function verifyRecords(verification: Verification): Promise<Partial<Verified>> {
  const { store, manifest, run } = verification;
  const sequences = createSequenceCounter();
  let records = 0;
  const onRecord = ({ sequence }: { sequence: number }): void => {
    records += 1;
    sequences.observe(sequence);
  };
  const planned = await store.pieces.plan(manifest);
  const progress = byteProgress(
    run,
    planned.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  for (const segment of planned) {
    progress.doing(segmentFileName(segment.segment));
    await drain(store.pieces.segment({ planned: segment, signal: run.signal, onRecord }), progress);
  }
  const { gaps, inversions } = sequences.counts();
  return { records, sequenceGaps: gaps, sequenceInversions: inversions };
}

/** The bytes are checked while they pass; nobody wants them. */
async function drain(chunks: AsyncGenerator<Uint8Array>, progress: ByteProgress): Promise<void> {
  for await (const chunk of chunks) progress.add(chunk.length);
}
