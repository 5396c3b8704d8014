import type { PlannedSegment } from '../core/backup/segment-plan.ts';
import { settleInstance, settleMachines } from '../core/state/kept-instance.ts';
import { createReplayIndex, type ReplayIndex, type ReplayInstance } from '../core/state/replay-index.ts';
import { createStateDigest, type StateDigest } from '../core/state/state-digest.ts';
import type { RecordView } from '../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId, type WalRange } from '../core/wal/wal-offset.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Store } from '../store/store.ts';
import { byteProgress, type Caller } from './progress.ts';
import { type Replayed, sha256 } from './replay-segments.ts';

/** A log as a repository holds it, up to a record's boundary. Nothing of it is written to a disk, and memory holds no more than a few chunks. */
export type StoredLog = {
  store: Pick<Store, 'pieces'>;
  /** The last one may go on behind the end. */
  planned: readonly PlannedSegment[];
  /** How far each segment counts. */
  extents: readonly Extent[];
};

/** The part of a planned log that ends at a record's boundary. A segment that would be empty is left out, unless it is the only one. */
export function storedLogUpTo(store: StoredLog['store'], planned: readonly PlannedSegment[], end: Extent): StoredLog {
  const own = planned.filter(({ segment }) => segment < end.segment || (segment === end.segment && end.endBytes > 0));
  const kept = own.length === 0 ? planned.slice(0, 1) : own;
  const extents = kept.map(({ segment, endBytes }) => ({ segment, endBytes: segment === end.segment ? end.endBytes : endBytes }));
  return { store, planned: kept, extents };
}

/** The segments between two places, the whole log where they are absent; the first one from its beginning on. */
export function partOf(
  { store, planned, extents }: StoredLog,
  { from, to }: { from?: Extent | undefined; to?: Extent | undefined },
): StoredLog {
  const isPart = ({ segment }: { segment: SegmentId }): boolean =>
    (from === undefined || segment >= from.segment) && (to === undefined || segment <= to.segment);
  const cut = ({ segment, endBytes }: Extent): Extent => ({
    segment,
    endBytes: segment === to?.segment ? Math.min(to.endBytes, endBytes) : endBytes,
  });
  return { store, planned: planned.filter(isPart), extents: extents.filter(isPart).map(cut) };
}

export type SeeRecord = (segment: SegmentId, record: RecordView) => void;

export type LogReader = {
  see: SeeRecord;
  /** Whether no more records are wanted. */
  isDone?: () => boolean;
  /** Waited for after each chunk: whatever `see` has gathered can be handed on. */
  afterChunk?: () => Promise<void>;
};

/**
 * Gives each record up to the end, in the order of the log, checked by its own CRC, and each range that ends before it by its hash.
 * Stops early once `isDone` says so. Fails: missing-object, truncated-object, damaged-object, naming the object; repository-unavailable.
 */
export async function readStoredLog(log: StoredLog, { see, isDone = () => false, afterChunk }: LogReader, run: Caller): Promise<void> {
  const progress = byteProgress(
    run,
    log.extents.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  for (const [index, { segment, endBytes }] of log.extents.entries()) {
    const planned = log.planned[index] as PlannedSegment;
    progress.doing(segmentFileName(segment));
    let positionBytes = 0;
    const onRecord = (record: RecordView): void => {
      positionBytes = record.endBytes;
      if (record.endBytes <= endBytes && !isDone()) see(segment, record);
    };
    const isOver = (): boolean => isDone() || (positionBytes >= endBytes && endBytes < planned.endBytes);
    for await (const chunk of log.store.pieces.segment({ planned, signal: run.signal, onRecord })) {
      progress.add(chunk.length);
      await afterChunk?.();
      if (isOver()) break;
    }
    if (isDone()) return;
  }
}

/** The state that the log gives, by reading it twice: what happened, then the records that hold the state at its end. Fails: as reading does. */
export async function replayStored(log: StoredLog, run: Caller): Promise<Replayed> {
  const { index, records } = await indexStored(log, run);
  const digest = createStateDigest();
  settleMachines(index, digest, sha256);
  await settleStored(log, { index, digest }, run);
  return { index, stateDigest: digest.hex(), records };
}

/** What the records did, without the state that each instance has. */
export async function indexStored(log: StoredLog, run: Caller): Promise<{ index: ReplayIndex; records: number }> {
  const index = createReplayIndex();
  let records = 0;
  const see: SeeRecord = (segment, record) => {
    records += 1;
    if (!index.apply(segment, record)) throw unreplayable(segment, record.startBytes);
  };
  await readStoredLog(log, { see }, run);
  return { index, records };
}

type Living = ReplayInstance & { last: WalRange };

async function settleStored(log: StoredLog, { index, digest }: { index: ReplayIndex; digest: StateDigest }, run: Caller): Promise<void> {
  const living = [...index.instances()].filter((instance): instance is Living => !instance.deleted && instance.last !== undefined);
  const instanceAt = new Map(living.map((instance) => [instance.last, instance]));
  const see = (range: WalRange, payload: Uint8Array): void => {
    const instance = instanceAt.get(range) as Living;
    if (!settleInstance(digest, { instance, payload, sha256 })) throw unreplayable(range.segment, range.startBytes);
  };
  await readPayloads(log, { ranges: [...instanceAt.keys()], see }, run);
}

/** Gives the payloads of these records, in the order of the log; each is valid only during the call. Reads no segment that has none of them. */
export async function readPayloads(
  log: StoredLog,
  { ranges, see }: { ranges: readonly WalRange[]; see: (range: WalRange, payload: Uint8Array) => void },
  run: Caller,
): Promise<void> {
  const bySegment = Map.groupBy(ranges, ({ segment }) => segment);
  for (const planned of log.planned) {
    const wanted = bySegment.get(planned.segment)?.sort((one, other) => one.startBytes - other.startBytes) ?? [];
    let next = 0;
    const onRecord = (record: RecordView): void => {
      const range = wanted[next];
      if (range?.startBytes !== record.startBytes) return;
      next += 1;
      see(range, record.payload);
    };
    if (wanted.length > 0) await drain(log.store.pieces.segment({ planned, signal: run.signal, onRecord }), () => next === wanted.length);
  }
}

async function drain(chunks: AsyncGenerator<Uint8Array>, isDone: () => boolean): Promise<void> {
  for await (const _chunk of chunks) if (isDone()) break;
}

/** That a server can't replay what stands there. */
export function unreplayable(segment: SegmentId, positionBytes: number): RstowError {
  const file = segmentFileName(segment);
  return new RstowError('damaged-object', `${file} has no record at byte ${positionBytes} that a server can replay`, {
    details: { file, positionBytes },
  });
}
