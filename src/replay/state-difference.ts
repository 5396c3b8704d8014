import { compareIndexes, named, type StateDifference } from '../core/recovery/state-difference.ts';
import { readPresentState } from '../core/state/kept-instance.ts';
import { createReplayIndex, type ReplayIndex } from '../core/state/replay-index.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { createRecordScanner } from '../core/wal/record-scanner.ts';
import { type Extent, segmentFileName, type SegmentId, type WalRange } from '../core/wal/wal-offset.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { readRange, RecordWindow } from '../io/data-directory/range-reader.ts';
import type { SegmentFile } from '../io/data-directory/segments.ts';
import { byteProgress, type Caller } from './progress.ts';
import { sha256 } from './replay-segments.ts';
import { indexStored, readPayloads, type StoredLog } from './stored-log.ts';

/** A state that a log gives: what has happened, and where the present states stand. */
export type LogState = {
  index: ReplayIndex;
  extents: readonly Extent[];
  /** Gives the payloads of these records, in any order; each is valid only during the call. */
  payloads: (ranges: readonly WalRange[], see: (range: WalRange, payload: Uint8Array) => void) => Promise<void>;
};

/** Fails: as reading the log does. */
export async function stateOfStored(log: StoredLog, run: Caller): Promise<LogState> {
  const { index } = await indexStored(log, run);
  return { index, extents: log.extents, payloads: (ranges, see) => readPayloads(log, { ranges, see }, run) };
}

/**
 * The state of a log in place, up to its last whole record; its server may be running. Fails: source-damaged, where it could not start
 * on it; data-directory-replaced.
 */
export async function stateOfFiles(files: readonly SegmentFile[], run: Caller): Promise<LogState> {
  const index = createReplayIndex();
  const extents: Extent[] = [];
  const progress = byteProgress(
    run,
    files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  for (const file of files) {
    progress.doing(file.fileName);
    extents.push({ segment: file.segment, endBytes: await indexFile(file, index, run.signal) });
    progress.add(file.sizeBytes);
  }
  const pathOf = (segment: SegmentId): string => files.find((file) => file.segment === segment)?.path ?? '';
  return { index, extents, payloads: (ranges, see) => payloadsOfFiles(pathOf, ranges, see) };
}

/** Gives where the last whole record ends. */
async function indexFile({ path, segment, sizeBytes }: SegmentFile, index: ReplayIndex, signal: AbortSignal): Promise<number> {
  const scanner = createRecordScanner({
    crc32c,
    startBytes: 0,
    onRecord: (record) => {
      if (!index.apply(segment, record)) throw damagedFile(segment, record.startBytes);
    },
  });
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: sizeBytes, signal })) scanner.push(chunk);
  const end = scanner.finish();
  if (end.kind === 'corrupt') throw damagedFile(segment, end.positionBytes);
  return end.positionBytes;
}

function damagedFile(segment: SegmentId, positionBytes: number): RstowError {
  const file = segmentFileName(segment);
  return new RstowError('source-damaged', `${file} has no record at byte ${positionBytes} that a server can replay`, {
    details: { file, positionBytes },
  });
}

async function payloadsOfFiles(
  pathOf: (segment: SegmentId) => string,
  ranges: readonly WalRange[],
  see: (range: WalRange, payload: Uint8Array) => void,
): Promise<void> {
  const window = new RecordWindow(pathOf);
  try {
    const sorted = ranges.toSorted((one, other) => one.segment - other.segment || one.startBytes - other.startBytes);
    for (const range of sorted) see(range, await window.payload(range));
  } finally {
    await window.close();
  }
}

/** What has to be done to the first state to get the second. `shared`: how much of each segment both logs have in common. */
export async function differenceOf(before: LogState, after: LogState, shared: ReadonlyMap<SegmentId, number>): Promise<StateDifference> {
  const isShared = ({ segment, endBytes }: WalRange): boolean => endBytes <= (shared.get(segment) ?? 0);
  const { undecided, ...known } = compareIndexes(before.index, after.index, isShared);
  const [hashesBefore, hashesAfter] = [
    await hashesOf(
      before,
      undecided.map((each) => each.before),
    ),
    await hashesOf(
      after,
      undecided.map((each) => each.after),
    ),
  ];
  const changed = undecided.filter((each) => !each.isSameMachine || hashesBefore.get(each.before) !== hashesAfter.get(each.after));
  return { ...known, instancesChanged: named(changed.map(({ id }) => id)) };
}

/** Of state and context, so that memory holds no contexts. */
async function hashesOf({ payloads }: LogState, ranges: readonly WalRange[]): Promise<Map<WalRange, string | undefined>> {
  const hashes = new Map<WalRange, string | undefined>();
  await payloads(ranges, (range, payload) => {
    const present = readPresentState(payload);
    hashes.set(range, present === undefined ? undefined : sha256([JSON.stringify(present.state), present.ctx]));
  });
  return hashes;
}
