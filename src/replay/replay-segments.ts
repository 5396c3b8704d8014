import type { ErrorCode } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { settleInstance, settleMachines } from '../core/state/digest-update.ts';
import { type Checkpoint, createReplayIndex, type ReplayIndex } from '../core/state/replay-index.ts';
import { createStateDigest, type Sha256, type StateDigest, type StateHash } from '../core/state/state-digest.ts';
import { createRecordScanner } from '../core/wal/record-scanner.ts';
import { type SegmentId, segmentFileName } from '../core/wal/segment-id.ts';
import type { Extent } from '../core/wal/wal-range.ts';
import { crc32c } from '../io/checksum/crc32c.ts';
import { textSha256Hex } from '../io/checksum/sha256.ts';
import { readRange } from '../io/data-directory/range-reader.ts';
import { RecordWindow } from '../io/data-directory/record-window.ts';
import { byteProgress } from '../activities/byte-progress.ts';
import type { RunPort } from '../activities/run-port.ts';

/** Segment files to replay, in log order, each up to its extent. */
export type ReplaySource = {
  extents: readonly Extent[];
  pathOf: (segment: SegmentId) => string;
  /** What damage in these files is called: the source's own, or a stored object's. */
  damageCode: Extract<ErrorCode, 'source-damaged' | 'damaged-object'>;
};

/** A log that was replayed up to some extents. Its changed instances are not in a digest yet. */
export type LogReplay = { index: ReplayIndex; records: number; from: Checkpoint | undefined };

export type Replayed = { index: ReplayIndex; stateDigest: StateHash; records: number };

export const sha256: Sha256 = textSha256Hex;

const READ_BUFFER_SIZE_BYTES = 256 * 1024;

/** Replays a log as a server does when it starts, and gives the digest of the state at its end. */
export async function replaySegments(source: ReplaySource, run: RunPort): Promise<Replayed> {
  return settleReplay(source, await readLog(source, run));
}

/** Adds what changed to the digest: only the records that hold an instance's present state are read, and parsed. */
export async function settleReplay(source: ReplaySource, replay: LogReplay): Promise<Replayed> {
  const { index, records, from } = replay;
  const digest = createStateDigest(from?.digest);
  settleMachines(index, digest, sha256);
  await settleInstances(source, index, digest);
  return { index, stateDigest: digest.hex(), records };
}

/** Replays what came after the checkpoint, whose index it takes over; without one, everything. */
export async function readLog(source: ReplaySource, run: RunPort, from?: Checkpoint): Promise<LogReplay> {
  const index = createReplayIndex(from);
  const startOf = new Map((from?.extents ?? []).map((extent) => [extent.segment, extent.endBytes]));
  const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_SIZE_BYTES);
  let records = 0;
  const startBytesOf = (segment: SegmentId): number => startOf.get(segment) ?? 0;
  const progress = byteProgress(
    run,
    source.extents.reduce((sum, { segment, endBytes }) => sum + endBytes - startBytesOf(segment), 0),
  );
  for (const extent of source.extents) {
    const startBytes = startBytesOf(extent.segment);
    progress.doing(segmentFileName(extent.segment));
    records += await replaySegment(source, { index, extent, startBytes, buffer }, run.signal);
    progress.add(extent.endBytes - startBytes);
  }
  return { index, records, from };
}

type SegmentReplay = { index: ReplayIndex; extent: Extent; startBytes: number; buffer: Uint8Array };

async function replaySegment(source: ReplaySource, replay: SegmentReplay, signal: AbortSignal): Promise<number> {
  const { index, extent, startBytes } = replay;
  const { segment, endBytes } = extent;
  if (startBytes === endBytes) return 0;
  let records = 0;
  const scanner = createRecordScanner({
    crc32c,
    startBytes,
    onRecord: (record) => {
      records += 1;
      if (!index.apply(segment, record)) throw damaged(source, segment, record.startBytes);
    },
  });
  const path = source.pathOf(segment);
  // The scanner is done with a chunk when it returns.
  const nextBuffer = (): Uint8Array => replay.buffer;
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes, endBytes, signal, nextBuffer })) scanner.push(chunk);
  const end = scanner.finish();
  if (end.kind !== 'whole' || end.positionBytes !== endBytes) throw damaged(source, segment, end.positionBytes);
  return records;
}

async function settleInstances(source: ReplaySource, index: ReplayIndex, digest: StateDigest): Promise<void> {
  const window = new RecordWindow(source.pathOf);
  try {
    for (const instance of index.dirtyInstances()) {
      const { last, deleted } = instance;
      const payload = deleted || last === undefined ? undefined : await window.payload(last);
      if (!settleInstance(digest, { instance, payload, sha256 })) {
        throw damaged(source, (last?.segment ?? 0) as SegmentId, last?.startBytes ?? 0);
      }
    }
  } finally {
    await window.close();
  }
}

function damaged(source: ReplaySource, segment: SegmentId, positionBytes: number): RstowError {
  const file = segmentFileName(segment);
  return new RstowError(source.damageCode, `${file} has no record at byte ${positionBytes} that a server can replay`, {
    details: { file, positionBytes },
  });
}
