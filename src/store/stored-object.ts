import { PassThrough, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { crc32c, createSha256, type StreamDigest } from '../io/checksum/checksum.ts';
import type { PlannedSegment } from '../core/backup/segment-plan.ts';
import { createRecordScanner, type RecordView } from '../core/wal/record-scanner.ts';
import { segmentFileName } from '../core/wal/wal-offset.ts';

/** A stored object to read, and a stage that sees its stored bytes pass, where someone wants to. */
type StoredPiece = {
  repository: Repository;
  coding: Coding;
  key: string;
  signal: AbortSignal;
  storedStage?: Transform;
  /** What is more than this is damage: a few bytes may unpack to any number. */
  plainBytesMax?: number;
  /** About so many are wanted; the bound where absent. */
  expectedSizeBytes?: number;
};

/**
 * The plain bytes of a stored piece. Fails: missing-object, truncated-object, damaged-object (its stored
 * form is broken), repository-unavailable.
 */
export async function* plainBytes(piece: StoredPiece): AsyncGenerator<Uint8Array> {
  const { repository, coding, key, signal, storedStage } = piece;
  const { plainBytesMax = Number.POSITIVE_INFINITY, expectedSizeBytes = plainBytesMax } = piece;
  const source = await repository.openRead(key, { signal });
  if (source === undefined) throw new RstowError('missing-object', `${key} is missing`, { details: { key } });
  const plain = new PassThrough();
  const stored = storedStage === undefined ? [source] : [source, storedStage];
  const stages = [...stored, ...coding.decode(expectedSizeBytes), plain];
  const finished = pipeline(stages, { signal });
  // Awaited below; a reader that stops early leaves it rejected, which must not end the process.
  finished.catch(() => undefined);
  try {
    let sizeBytes = 0;
    for await (const chunk of plain) {
      sizeBytes += (chunk as Uint8Array).length;
      if (sizeBytes > plainBytesMax) throw tooLong(key, plainBytesMax);
      yield chunk as Uint8Array;
    }
    await finished;
  } catch (error) {
    throw coding.errorOf(error, key);
  } finally {
    source.destroy();
  }
}

function tooLong(key: string, plainBytesMax: number): RstowError {
  return new RstowError('damaged-object', `${key} unpacks to more than the ${plainBytesMax} bytes that it should hold`, {
    details: { key },
  });
}

/** Fails: missing-object, truncated-object; damaged-object, where its bytes are not those that were stored. */
export async function checkStored(
  repository: Repository,
  promised: { key: string; sizeBytes: number; sha256: string },
  signal: AbortSignal,
): Promise<number> {
  const { key } = promised;
  const { sizeBytes, sha256 } = await storedDigest(repository, key, signal);
  if (sizeBytes === promised.sizeBytes && sha256 === promised.sha256) return sizeBytes;
  const lacks = sizeBytes < promised.sizeBytes;
  const what = lacks
    ? `ends after ${sizeBytes} of ${promised.sizeBytes} stored bytes`
    : 'is not what was stored (its hash or size differs)';
  throw new RstowError(lacks ? 'truncated-object' : 'damaged-object', `${key} ${what}`, { details: { key } });
}

/** What is stored under the key, by reading it. Fails: missing-object. */
export async function storedDigest(repository: Repository, key: string, signal: AbortSignal): Promise<StreamDigest> {
  const stream = await repository.openRead(key, { signal });
  if (stream === undefined) throw new RstowError('missing-object', `${key} is missing`, { details: { key } });
  const hash = createSha256();
  let sizeBytes = 0;
  for await (const chunk of stream) {
    hash.update(chunk as Uint8Array);
    sizeBytes += (chunk as Uint8Array).length;
  }
  return { sizeBytes, sha256: hash.digestHex() };
}

export type SegmentRead = {
  repository: Repository;
  coding: Coding;
  planned: PlannedSegment;
  signal: AbortSignal;
  /** Sees each record; its payload is valid only during the call. */
  onRecord?: ((record: RecordView) => void) | undefined;
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
