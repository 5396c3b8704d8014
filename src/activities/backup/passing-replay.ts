import { checkpointFits } from '../../core/state/checkpoint.ts';
import { type Checkpoint, createReplayIndex } from '../../core/state/replay-index.ts';
import type { RecordView } from '../../core/wal/record-scanner.ts';
import type { SegmentId } from '../../core/wal/segment-id.ts';
import type { Extent } from '../../core/wal/wal-range.ts';
import type { LogReplay } from '../../replay/replay-segments.ts';

/**
 * A replay of the records that a backup stores, while they pass, so that its digest needs no second reading of the
 * log. It is only worth something if no record was left out: where storing skipped pieces that were there already,
 * or began anew after a crash, the log has to be read.
 */
export type PassingReplay = {
  take(segment: SegmentId, record: RecordView): void;
  /** The replay, if exactly the records up to these extents passed; else undefined. */
  upTo(extents: readonly Extent[]): LogReplay | undefined;
};

/** Goes on from the checkpoint, whose instances it takes over. */
export function createPassingReplay(from?: Checkpoint): PassingReplay {
  const index = createReplayIndex(from);
  const endBytes = new Map((from?.extents ?? []).map((extent) => [extent.segment, extent.endBytes]));
  let records = 0;
  let unbroken = true;
  return {
    take(segment, record) {
      unbroken = unbroken && record.startBytes === (endBytes.get(segment) ?? 0) && index.apply(segment, record);
      if (!unbroken) return;
      records += 1;
      endBytes.set(segment, record.endBytes);
    },
    upTo(extents) {
      const complete = unbroken && extents.every(({ segment, endBytes: end }) => (endBytes.get(segment) ?? 0) === end);
      const fits = complete && (from === undefined || checkpointFits(from.extents, extents));
      return fits ? { index, records, from } : undefined;
    },
  };
}

/** Keeps copies of a small segment's records until it is their turn in the order of the log. */
export function createRecordKeeper(replay: Pick<PassingReplay, 'take'>): Pick<PassingReplay, 'take'> & { flush(): void } {
  const kept: Parameters<PassingReplay['take']>[] = [];
  return {
    take: (segment, record) => void kept.push([segment, { ...record, payload: Uint8Array.from(record.payload) }]),
    flush: () => {
      for (const [segment, record] of kept) replay.take(segment, record);
    },
  };
}
