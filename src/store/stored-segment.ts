import type { PlannedSegment } from '../core/backup/segment-plan.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { createRecordScanner } from '../core/wal/record-scanner.ts';
import { segmentFileName } from '../core/wal/wal-offset.ts';
import { crc32c, createSha256 } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { plainBytes } from './stored-object.ts';

export type SegmentRead = {
  repository: Repository;
  coding: Coding;
  planned: PlannedSegment;
  signal: AbortSignal;
  onRecord?: (record: { sequence: number }) => void;
};

/**
 * The bytes of one segment as its backup promised them: every range's hash, every record's checksum and the number
 * of records are checked while they pass. Fails: missing-object, truncated-object, damaged-object, naming the object;
 * repository-unavailable.
 */
export async function* storedSegment(read: SegmentRead): AsyncGenerator<Uint8Array> {
  const { planned } = read;
  const ranges = createRangeCheck(planned.ranges);
  let records = 0;
  const scanner = createRecordScanner({
    crc32c,
    startBytes: 0,
    onRecord: (record) => {
      records += 1;
      read.onRecord?.(record);
    },
  });
  for (const slice of planned.slices) {
    for await (const chunk of sliceBytes(read, slice)) {
      ranges.push(chunk, slice.key);
      scanner.push(chunk);
      yield chunk;
    }
  }
  const end = scanner.finish();
  const promised = planned.ranges.reduce((sum, range) => sum + range.records, 0);
  if (end.kind === 'whole' && end.positionBytes === planned.endBytes && records === promised) return;
  const found = `${records} records up to byte ${end.positionBytes}`;
  const fault = end.kind === 'torn' ? truncated : damaged;
  throw fault(
    planned.slices.at(-1)?.key ?? segmentFileName(planned.segment),
    `gives ${found}, not ${promised} up to byte ${planned.endBytes}`,
  );
}

type PlannedSlice = PlannedSegment['slices'][number];

/** A slice that ends with its piece is read to the piece's end, so that surplus bytes are found. */
async function* sliceBytes(read: SegmentRead, slice: PlannedSlice): AsyncGenerator<Uint8Array> {
  const { key, skipBytes, takeBytes } = slice;
  const endBytes = skipBytes + takeBytes;
  const { repository, coding, signal } = read;
  let positionBytes = 0;
  for await (const chunk of plainBytes({ repository, coding, key, signal, expectedSizeBytes: endBytes })) {
    const from = Math.max(0, skipBytes - positionBytes);
    const until = Math.min(chunk.length, endBytes - positionBytes);
    if (until > from) yield chunk.subarray(from, until);
    positionBytes += chunk.length;
    if (positionBytes > endBytes) break;
  }
  if (positionBytes < endBytes) throw truncated(key, `ends after ${positionBytes} plain bytes, before byte ${endBytes}`);
}

type HashedRange = Pick<PlannedSegment['ranges'][number], 'endBytes' | 'sha256'>;

/** Compares the hash of each of the neighbouring ranges when its last byte has passed. */
export function createRangeCheck(ranges: readonly HashedRange[], startBytes = 0): { push(chunk: Uint8Array, key: string): void } {
  let index = 0;
  let positionBytes = startBytes;
  let hash = createSha256();
  return {
    push(chunk, key) {
      let rest = chunk;
      while (rest.length > 0) {
        const range = ranges[index];
        if (range === undefined) throw damaged(key, 'gives more bytes than the backup has');
        const part = rest.subarray(0, range.endBytes - positionBytes);
        hash.update(part);
        positionBytes += part.length;
        rest = rest.subarray(part.length);
        if (positionBytes < range.endBytes) continue;
        if (hash.digestHex() !== range.sha256)
          throw damaged(key, `does not give the bytes that the backup holds up to byte ${positionBytes}`);
        hash = createSha256();
        index += 1;
      }
    },
  };
}

function truncated(key: string, what: string): RstowError {
  return new RstowError('truncated-object', `${key} ${what}`, { details: { key } });
}

function damaged(key: string, what: string): RstowError {
  return new RstowError('damaged-object', `${key} ${what}`, { details: { key } });
}
