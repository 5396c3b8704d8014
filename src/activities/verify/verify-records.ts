import { createSequenceCounter } from '../../core/wal/continuity.ts';
import { segmentFileName } from '../../core/wal/segment-id.ts';
import { planSegments } from '../stored/planned-segments.ts';
import { storedSegment } from '../stored/stored-segment.ts';
import type { Verification, Verified } from './verification.ts';

/** Decompresses the whole log and checks every record and every range. Fails: missing-object, truncated-object, damaged-object. */
export async function verifyRecords(verification: Verification): Promise<Partial<Verified>> {
  const { repository, manifest, run } = verification;
  const sequences = createSequenceCounter();
  let records = 0;
  const onRecord = ({ sequence }: { sequence: number }): void => {
    records += 1;
    sequences.observe(sequence);
  };
  for (const planned of await planSegments(repository, manifest)) {
    run.report({ reading: segmentFileName(planned.segment), records });
    await drain(storedSegment({ repository, planned, signal: run.signal, onRecord }));
  }
  const { gaps, inversions } = sequences.counts();
  return { records, sequenceGaps: gaps, sequenceInversions: inversions };
}

/** The bytes are checked while they pass; nobody wants them. */
async function drain(chunks: AsyncGenerator<Uint8Array>): Promise<void> {
  let next = await chunks.next();
  while (next.done !== true) next = await chunks.next();
}
