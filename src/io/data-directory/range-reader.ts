import { open, type FileHandle } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { RECORD_HEADER_SIZE_BYTES } from '../../core/wal/record.ts';
import type { WalRange } from '../../core/wal/wal-offset.ts';
import { errnoOf, isUnreadable } from '../files/errno.ts';

/** Four times what streams read at once: fewer calls, and still small beside the process. */
const CHUNK_SIZE_BYTES = 256 * 1024;

/** A handle stays open; a path is opened and closed. */
export type RangeSource = { kind: 'path'; path: string } | { kind: 'handle'; path: string; handle: FileHandle };

export type RangeRead = {
  source: RangeSource;
  startBytes: number;
  endBytes: number;
  signal?: AbortSignal | undefined;
  /** Gives the next chunk's memory; without it each chunk is the consumer's own. */
  nextBuffer?: (sizeBytes: number) => Uint8Array | Promise<Uint8Array>;
};

/**
 * Reads bytes `[startBytes, endBytes)` in chunks of at most 256 KiB. Memory that is used again saves a second of
 * garbage collection for each GiB, but only the consumer knows when it is done with a chunk.
 * Fails: data-directory-replaced (the file is gone or shorter than it was), source-damaged (the disk
 * can't read it). Twice: same bytes, for a log only grows.
 */
export async function* readRange(range: RangeRead): AsyncGenerator<Uint8Array, void, undefined> {
  const { source, startBytes, endBytes, signal, nextBuffer = ownBuffer } = range;
  const handle = source.kind === 'handle' ? source.handle : await openSource(source.path);
  try {
    let positionBytes = startBytes;
    while (positionBytes < endBytes) {
      signal?.throwIfAborted();
      const buffer = await nextBuffer(Math.min(CHUNK_SIZE_BYTES, endBytes - positionBytes));
      const chunk = await readChunk(handle, positionBytes, { buffer, endBytes, path: source.path });
      positionBytes += chunk.length;
      yield chunk;
    }
  } finally {
    if (source.kind === 'path') await handle.close();
  }
}

/** The same bytes at once: for what is known to be small, or has to be looked at as a whole. */
export async function readBytes(range: RangeRead): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of readRange(range)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function openSource(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    throw readFailure(error, path, 0);
  }
}

function ownBuffer(sizeBytes: number): Uint8Array {
  return Buffer.allocUnsafeSlow(sizeBytes);
}

type ChunkLimit = { buffer: Uint8Array; endBytes: number; path: string };

async function readChunk(handle: FileHandle, positionBytes: number, limit: ChunkLimit): Promise<Uint8Array> {
  const { buffer } = limit;
  try {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, limit.endBytes - positionBytes), positionBytes);
    if (bytesRead > 0) return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw readFailure(error, limit.path, positionBytes);
  }
  const sentence = `${limit.path} ends at byte ${positionBytes}, before byte ${limit.endBytes} that it had`;
  throw new RstowError('data-directory-replaced', sentence, { details: { path: limit.path, positionBytes, endBytes: limit.endBytes } });
}

function readFailure(error: unknown, path: string, positionBytes: number): unknown {
  const details = { path, positionBytes };
  if (errnoOf(error) === 'ENOENT') return new RstowError('data-directory-replaced', `${path} is gone`, { details, cause: error });
  if (!isUnreadable(error)) return error;
  const sentence = `the disk can’t read ${path} at byte ${positionBytes} (${errnoOf(error)})`;
  return new RstowError('source-damaged', sentence, { details, cause: error });
}

const WINDOW_SIZE_BYTES = 1024 * 1024;

/**
 * Reads single records whose places are known. Asked for in log order, a window serves many of them with one read.
 * Fails: as readRange.
 */
export class RecordWindow {
  readonly #pathOf: (segment: WalRange['segment']) => string;
  #handle: FileHandle | undefined;
  #segment: number | undefined;
  #startBytes = 0;
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(WINDOW_SIZE_BYTES);
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(pathOf: (segment: WalRange['segment']) => string) {
    this.#pathOf = pathOf;
  }

  /** A view that is valid until the next call. */
  async payload(record: WalRange): Promise<Uint8Array> {
    if (!this.#holds(record)) await this.#move(record);
    const from = record.startBytes - this.#startBytes;
    return this.#bytes.subarray(from + RECORD_HEADER_SIZE_BYTES, from + record.endBytes - record.startBytes);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  #holds({ segment, startBytes, endBytes }: WalRange): boolean {
    const windowEndBytes = this.#startBytes + this.#bytes.length;
    return segment === this.#segment && startBytes >= this.#startBytes && endBytes <= windowEndBytes;
  }

  async #move({ segment, startBytes, endBytes }: WalRange): Promise<void> {
    const path = this.#pathOf(segment);
    if (segment !== this.#segment || this.#handle === undefined) {
      await this.#handle?.close();
      this.#handle = await openSource(path);
      this.#segment = segment;
    }
    if (this.#buffer.length < endBytes - startBytes) this.#buffer = Buffer.allocUnsafeSlow(endBytes - startBytes);
    const { bytesRead } = await this.#handle.read(this.#buffer, 0, this.#buffer.length, startBytes).catch((error: unknown) => {
      throw readFailure(error, path, startBytes);
    });
    if (bytesRead < endBytes - startBytes) {
      throw new RstowError('data-directory-replaced', `${path} ends before byte ${endBytes} that it had`, { details: { path } });
    }
    this.#startBytes = startBytes;
    this.#bytes = this.#buffer.subarray(0, bytesRead);
  }
}
