import { checkpointFits } from '../../core/state/checkpoint.ts';
import type { ReplayIndex } from '../../core/state/replay-index.ts';
import type { RecordView } from '../../core/wal/record-scanner.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import { indexAfter, type KeptState } from '../../replay/kept-state.ts';

/** Of so many it keeps the places at once, about 25 MB. A backup of more reads the log once more, and settles them in parts. */
const INSTANCES_MAX = 60_000;

/** Records that have passed, and the state that they follow. They are not settled on it yet. */
export type PassedRecords = { state: KeptState; index: ReplayIndex; records: number };

/**
 * A replay of the records that a backup stores, while they pass, so that its digest needs no second reading of the
 * log. It is only worth something if no record was left out: if storing skipped pieces that were there already,
 * or began anew after a crash, the log has to be read.
 */
export type PassingReplay = {
  take(segment: SegmentId, record: RecordView): void;
  /** What has passed, if it is exactly the records up to these extents; else undefined. */
  upTo(extents: readonly Extent[]): PassedRecords | undefined;
};

/** Goes on from the state that the backup before has kept, or from an empty one. */
export function createPassingReplay(state: KeptState): PassingReplay {
  let index: ReplayIndex | undefined = indexAfter(state);
  const endBytes = new Map(state.extents.map((extent) => [extent.segment, extent.endBytes]));
  let records = 0;
  return {
    take(segment, record) {
      if (index === undefined) return;
      const follows = record.startBytes === (endBytes.get(segment) ?? 0) && index.apply(segment, record);
      if (!follows || index.size() > INSTANCES_MAX) {
        index = undefined;
        return;
      }
      records += 1;
      endBytes.set(segment, record.endBytes);
    },
    upTo(extents) {
      const complete = extents.every(({ segment, endBytes: end }) => (endBytes.get(segment) ?? 0) === end);
      return index !== undefined && complete && checkpointFits(state.extents, extents) ? { state, index, records } : undefined;
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
