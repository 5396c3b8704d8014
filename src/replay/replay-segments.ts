import type { ErrorCode } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { settleInstance, settleMachines } from '../core/state/kept-instance.ts';
import { createReplayIndex, type ReplayIndex, type ReplayInstance } from '../core/state/replay-index.ts';
import { createStateDigest, type Sha256, type StateDigest, type StateHash } from '../core/state/state-digest.ts';
import { createRecordScanner, type RecordView } from '../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId, type WalRange } from '../core/wal/wal-offset.ts';
import { crc32c, textSha256Hex } from '../io/checksum/checksum.ts';
import { readRange, RecordWindow } from '../io/data-directory/range-reader.ts';
import { byteProgress, type Caller } from './progress.ts';

/** Segment files to replay, in log order, each up to its extent. */
export type ReplaySource = {
  extents: readonly Extent[];
  pathOf: (segment: SegmentId) => string;
  /** What damage in these files is called: the source's own, or a stored object's. */
  damageCode: Extract<ErrorCode, 'source-damaged' | 'damaged-object'>;
};

export type Replayed = { index: ReplayIndex; stateDigest: StateHash; records: number };

export const sha256: Sha256 = textSha256Hex;

const READ_BUFFER_SIZE_BYTES = 256 * 1024;

/** Replays a log as a server does when it starts, and gives the digest of the state at its end. */
export async function replaySegments(source: ReplaySource, run: Caller): Promise<Replayed> {
  const index = createReplayIndex();
  const records = await readRecords({ source, from: [], run }, () => index);
  const digest = createStateDigest();
  settleMachines(index, digest, sha256);
  await settleInstances(source, index, digest);
  return { index, stateDigest: digest.hex(), records };
}

export type LogReading = {
  source: ReplaySource;
  /** How much of the log is known already. */
  from: readonly Extent[];
  run: Caller;
  /** Sees each record besides. */
  see?: ((record: RecordView) => void) | undefined;
};

/**
 * Gives the records of a log to an index, and counts them. The index is asked for before each part of 256 KiB, so that one that has
 * grown large can be exchanged. Fails: as the source says, at a record that a server can't replay.
 */
export async function readRecords(reading: LogReading, indexFor: () => ReplayIndex | Promise<ReplayIndex>): Promise<number> {
  const { source, from, run, see } = reading;
  const startOf = new Map(from.map((extent) => [extent.segment, extent.endBytes]));
  const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_SIZE_BYTES);
  const startBytesOf = (segment: SegmentId): number => startOf.get(segment) ?? 0;
  const progress = byteProgress(
    run,
    source.extents.reduce((sum, { segment, endBytes }) => sum + endBytes - startBytesOf(segment), 0),
  );
  let records = 0;
  for (const extent of source.extents) {
    const startBytes = startBytesOf(extent.segment);
    progress.doing(segmentFileName(extent.segment));
    records += await replaySegment(source, { indexFor, extent, startBytes, buffer, see }, run.signal);
    progress.add(extent.endBytes - startBytes);
  }
  return records;
}

type SegmentReplay = Pick<LogReading, 'see'> & {
  indexFor: () => ReplayIndex | Promise<ReplayIndex>;
  extent: Extent;
  startBytes: number;
  buffer: Uint8Array;
};

async function replaySegment(source: ReplaySource, replay: SegmentReplay, signal: AbortSignal): Promise<number> {
  const { extent, startBytes } = replay;
  const { segment, endBytes } = extent;
  if (startBytes === endBytes) return 0;
  let records = 0;
  let index = await replay.indexFor();
  const scanner = createRecordScanner({
    crc32c,
    startBytes,
    onRecord: (record) => {
      records += 1;
      replay.see?.(record);
      if (!index.apply(segment, record)) throw damagedLog(source, { segment, startBytes: record.startBytes });
    },
  });
  const path = source.pathOf(segment);
  // The scanner is done with a chunk when it returns.
  const nextBuffer = (): Uint8Array => replay.buffer;
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes, endBytes, signal, nextBuffer })) {
    index = await replay.indexFor();
    scanner.push(chunk);
  }
  const end = scanner.finish();
  if (end.kind !== 'whole' || end.positionBytes !== endBytes) throw damagedLog(source, { segment, startBytes: end.positionBytes });
  return records;
}

async function settleInstances(source: ReplaySource, index: ReplayIndex, digest: StateDigest): Promise<void> {
  const window = new RecordWindow(source.pathOf);
  try {
    for (const instance of livingInstances(index)) {
      const payload = await window.payload(instance.last);
      if (!settleInstance(digest, { instance, payload, sha256 })) throw damagedLog(source, instance.last);
    }
  } finally {
    await window.close();
  }
}

type Living = ReplayInstance & { last: WalRange };

/** In the order of the log, so that one read serves many. */
export function livingInstances(index: ReplayIndex): Living[] {
  return [...index.instances()].filter((instance): instance is Living => !instance.deleted && instance.last !== undefined).sort(byPlace);
}

function byPlace({ last: one }: Living, { last: other }: Living): number {
  return one.segment - other.segment || one.startBytes - other.startBytes;
}

/** That there is no record which a server can replay. */
export function damagedLog(source: ReplaySource, at: Pick<WalRange, 'segment' | 'startBytes'> | undefined): RstowError {
  const file = segmentFileName(at?.segment ?? (0 as SegmentId));
  const positionBytes = at?.startBytes ?? 0;
  return new RstowError(source.damageCode, `${file} has no record at byte ${positionBytes} that a server can replay`, {
    details: { file, positionBytes },
  });
}

/** Fails: digest-different. */
export function requireDigest(found: string, promised: string, label: string): void {
  if (found === promised) return;
  throw new RstowError('digest-different', `replaying backup ${label} gives the state ${found}, not ${promised}`, {
    details: { found, promised, label },
  });
}
