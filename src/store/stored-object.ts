import { PassThrough, Readable, type Transform, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { crc32c, createSha256, type StreamDigest } from '../io/checksum/checksum.ts';
import type { PlannedSegment } from '../core/backup/segment-plan.ts';
import { createRecordScanner, type RecordView } from '../core/wal/record-scanner.ts';
import { parseStreamKey, type StreamPiece } from '../core/repository/stream-piece.ts';
import { segmentFileName } from '../core/wal/wal-offset.ts';

/** A stored object to read, and a stage that sees its stored bytes pass, where someone wants to. */
export type StoredPiece = {
  repository: Repository;
  coding: Coding;
  key: string;
  signal: AbortSignal;
  storedStage?: Transform | undefined;
  /** What is more than this is damage: a few bytes may unpack to any number. */
  plainBytesMax?: number | undefined;
  /** About so many are wanted; the bound where absent. */
  expectedSizeBytes?: number | undefined;
};

/**
 * The plain bytes of a stored piece. Fails: missing-object, truncated-object, damaged-object (its stored
 * form is broken), repository-unavailable.
 */
export async function* plainBytes(piece: StoredPiece): AsyncGenerator<Uint8Array> {
  const small = parseStreamKey(piece.key);
  if (small?.proof === undefined) yield* decodedBytes(piece);
  else yield* await provedBytes(piece, small);
}

/** A small object whose name says what it holds: nothing of it is given before that has shown. */
async function provedBytes(piece: StoredPiece, { startBytes, endBytes, proof }: StreamPiece): Promise<Uint8Array[]> {
  const hash = createSha256();
  const chunks: Uint8Array[] = [];
  for await (const chunk of decodedBytes({ ...piece, plainBytesMax: endBytes - startBytes })) {
    hash.update(chunk);
    chunks.push(chunk);
  }
  if (hash.digestHex() !== proof?.sha256) throw damaged(piece.key, 'does not hold what was stored (its hash is not that in its name)');
  return chunks;
}

async function* decodedBytes(piece: StoredPiece): AsyncGenerator<Uint8Array> {
  const { repository, coding, key, signal, storedStage } = piece;
  const { plainBytesMax = Number.POSITIVE_INFINITY, expectedSizeBytes = plainBytesMax } = piece;
  const source = await repository.openRead(key, { signal });
  if (source === undefined) throw missingObject(key);
  const plain = new PassThrough();
  const stored = storedStage === undefined ? [source] : [source, storedStage];
  const stages = [...stored, ...coding.decode(key, expectedSizeBytes), plain];
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

export function missingObject(key: string): RstowError {
  return new RstowError('missing-object', `${key} is missing`, { details: { key } });
}

function tooLong(key: string, plainBytesMax: number): RstowError {
  return new RstowError('damaged-object', `${key} unpacks to more than the ${plainBytesMax} bytes that it should hold`, {
    details: { key },
  });
}

/** The stored form of what is small enough for memory. */
export async function encodedBytes(coding: Coding, plain: readonly Uint8Array[]): Promise<Uint8Array> {
  const sizeBytes = plain.reduce((sum, { length }) => sum + length, 0);
  const chunks: Uint8Array[] = [];
  const sink = new Writable({
    write: (chunk: Uint8Array, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  await pipeline([Readable.from(plain, { objectMode: false }), ...coding.encode(sizeBytes), sink]);
  return Buffer.concat(chunks);
}

/** Fails: missing-object, truncated-object; damaged-object, where its bytes are not those that were stored. */
export async function checkStored(
  repository: Repository,
  promised: { key: string; sizeBytes: number; sha256: string },
  signal: AbortSignal,
): Promise<number> {
  const found = await storedDigest(repository, promised.key, signal);
  requireStored(promised, found);
  return found.sizeBytes;
}

/** Fails: truncated-object, damaged-object, if these are not the bytes that were stored. */
export function requireStored(promised: { key: string; sizeBytes: number; sha256: string }, { sizeBytes, sha256 }: StreamDigest): void {
  const { key } = promised;
  if (sizeBytes === promised.sizeBytes && sha256 === promised.sha256) return;
  const lacks = sizeBytes < promised.sizeBytes;
  const what = lacks
    ? `ends after ${sizeBytes} of ${promised.sizeBytes} stored bytes`
    : 'is not what was stored (its hash or size differs)';
  throw new RstowError(lacks ? 'truncated-object' : 'damaged-object', `${key} ${what}`, { details: { key } });
}

/** What is stored under the key, by reading it. Fails: missing-object. */
export async function storedDigest(repository: Repository, key: string, signal: AbortSignal): Promise<StreamDigest> {
  const stream = await repository.openRead(key, { signal });
  if (stream === undefined) throw missingObject(key);
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
  /** Where else the bytes of a slice are, whose object is gone by now. */
  otherSlices?: ((slice: PlannedSlice) => Promise<PlannedSlice[] | undefined>) | undefined;
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
    for await (const { chunk, key } of sliceBytes(read, slice)) {
      ranges.push(chunk, key);
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

type SliceChunk = { chunk: Uint8Array; /** Of the object that it is from. */ key: string };

/** Those of an object that was deleted since, as merging does, are read from what covers it. */
async function* sliceBytes(read: SegmentRead, slice: PlannedSlice): AsyncGenerator<SliceChunk> {
  let isBegun = false;
  try {
    for await (const chunk of objectBytes(read, slice)) {
      isBegun = true;
      yield { chunk, key: slice.key };
    }
  } catch (error) {
    if (isBegun || !(error instanceof RstowError) || error.code !== 'missing-object') throw error;
    const others = await read.otherSlices?.(slice);
    if (others === undefined) throw error;
    for (const other of others) yield* sliceBytes({ ...read, otherSlices: undefined }, other);
  }
}

/** A slice that ends with its piece is read to the piece's end, so that surplus bytes are found. */
async function* objectBytes(read: SegmentRead, { key, skipBytes, takeBytes }: PlannedSlice): AsyncGenerator<Uint8Array> {
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
