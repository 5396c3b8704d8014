import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { PassThrough, type Transform } from 'node:stream';
import { RstowError } from '../core/errors/rstow-error.ts';
import { createSha256, type StreamDigest } from '../io/checksum/checksum.ts';
import { pipeline } from 'node:stream/promises';

/** A stored object to read, and a stage that sees its stored bytes pass, where someone wants to. */
export type StoredPiece = {
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
