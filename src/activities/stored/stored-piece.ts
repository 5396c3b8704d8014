import { pipeline } from 'node:stream/promises';
import { PassThrough, type Transform } from 'node:stream';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { decompressionError } from '../../io/compression/zstd.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { zstdCoding } from './piece-coding.ts';

/** A stored object to read, and a stage that sees its stored bytes pass, where someone wants to. */
export type StoredPiece = { repository: Repository; key: string; signal: AbortSignal; storedStage?: Transform };

/**
 * The plain bytes of a stored piece. Fails: missing-object, truncated-object, damaged-object (its stored
 * form is broken), repository-unavailable.
 */
export async function* plainBytes(stored: StoredPiece): AsyncGenerator<Uint8Array> {
  const { repository, key, signal } = stored;
  const source = await repository.openRead(key, { signal });
  if (source === undefined) throw new RstowError('missing-object', `${key} is missing`, { details: { key } });
  const plain = new PassThrough();
  const stages = [source, ...(stored.storedStage ? [stored.storedStage] : []), ...zstdCoding.decode(), plain];
  const finished = pipeline(stages, { signal });
  // Awaited below; a reader that stops early leaves it rejected, which must not end the process.
  finished.catch(() => undefined);
  try {
    for await (const chunk of plain) yield chunk as Uint8Array;
    await finished;
  } catch (error) {
    throw decompressionError(error, key);
  } finally {
    source.destroy();
  }
}
