import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { Writable } from 'node:stream';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { createRecordCut, type CutRange, type PieceContent } from '../../store/record-cut.ts';

/** The bytes of a segment from `startBytes` on, in the memory that they ask for, or in their own once they have asked. */
export type PieceSource = CutRange & {
  bytes: (nextBuffer: ChunkFeed['nextBuffer']) => AsyncIterable<Uint8Array>;
  /** Whether there must be whole records up to the target itself. */
  isExact?: boolean | undefined;
  signal: AbortSignal;
};

/** One segment's file as a backup reads it: usually a pin, so that compaction can't take it away. */
export type FileSource = CutRange & {
  path: string;
  /** How long an incomplete record may stay unchanged before it counts as torn. */
  tornTailMs: number;
  signal: AbortSignal;
};

const GROWTH_POLL_MS = 50;
const GROWTH_BYTES_MAX = 1024 * 1024;

/** Feeds whole records only, in one pass; reports what they were. */
export async function readPiece(source: PieceSource, feed: Pick<ChunkFeed, 'nextBuffer' | 'write'>): Promise<PieceContent> {
  const cut = createRecordCut(source);
  for await (const chunk of source.bytes(feed.nextBuffer)) {
    feed.write(cut.push(chunk));
    if (cut.isDecided()) break;
  }
  return cut.content();
}

export function growingFile(file: FileSource): PieceSource {
  const { startBytes, targetBytes, onRecord, signal } = file;
  return { startBytes, targetBytes, onRecord, signal, bytes: (nextBuffer) => growingBytes(file, nextBuffer) };
}

/** The bytes up to the target, then whatever a writer that is in the middle of a record still appends. */
async function* growingBytes(source: FileSource, nextBuffer: ChunkFeed['nextBuffer']): AsyncGenerator<Uint8Array> {
  const { path, signal } = source;
  let positionBytes = source.startBytes;
  let untilBytes = source.targetBytes;
  for (;;) {
    yield* readRange({ source: { kind: 'path', path }, startBytes: positionBytes, endBytes: untilBytes, signal, nextBuffer });
    positionBytes = untilBytes;
    const sizeBytes = await grownSize(source, positionBytes);
    if (sizeBytes === positionBytes) return;
    untilBytes = Math.min(sizeBytes, positionBytes + GROWTH_BYTES_MAX);
  }
}

/** Waits until the file is longer; the same size where it stays unchanged for too long. */
async function grownSize(source: FileSource, knownBytes: number): Promise<number> {
  for (let waitedMs = 0; waitedMs <= source.tornTailMs; waitedMs += GROWTH_POLL_MS) {
    const { size } = await stat(source.path);
    if (size > knownBytes) return size;
    await delay(GROWTH_POLL_MS, undefined, { signal: source.signal });
  }
  return knownBytes;
}

/** Measured: larger ones cost no less, smaller ones more turns of the event loop. */
const CHUNK_SIZE_BYTES = 512 * 1024;
const SMALL_CHUNK_SIZE_BYTES = 16 * 1024;

/** In front of each chunk, for the beginning of a record whose end the chunk brings; a larger one is written by itself. */
const HEADROOM_SIZE_BYTES = 64 * 1024;

/**
 * Gives chunks to a stream through two buffers in turn: one is read while the stream takes the other. It holds for a
 * stream that is done with a chunk when it calls back, as a compressor is, and not one that hands chunks on. A chunk
 * in memory of its own can be written as well, once a buffer was asked for in its turn.
 */
type ChunkFeed = {
  /** The next chunk's memory. What was written from it the last time has been taken by then. */
  nextBuffer: () => Promise<Uint8Array>;
  /** Takes what is left of the chunks before, and then the next buffer's chunk or its beginning. */
  write: (parts: readonly Uint8Array[]) => void;
  /** Waits until everything is taken, and ends the stream. */
  end: () => Promise<void>;
};

/** Without a size, for much: two buffers of 576 KiB for each of thousands of small segments cost more than all else. */
export function createChunkFeed(stream: Writable, expectedSizeBytes = CHUNK_SIZE_BYTES): ChunkFeed {
  const chunkBytes = Math.min(CHUNK_SIZE_BYTES, Math.max(SMALL_CHUNK_SIZE_BYTES, expectedSizeBytes));
  const sizes = { headroomBytes: Math.min(HEADROOM_SIZE_BYTES, chunkBytes), chunkBytes };
  const buffers = [chunkBuffer(sizes), chunkBuffer(sizes)];
  let taken = Promise.resolve();
  let takenBefore = taken;
  return {
    async nextBuffer() {
      const mustBeTaken = takenBefore;
      takenBefore = taken;
      await mustBeTaken;
      const buffer = buffers.shift() as Uint8Array;
      buffers.push(buffer);
      return buffer;
    },
    write(parts) {
      const isOwn = buffers.some(({ buffer }) => buffer === parts.at(-1)?.buffer);
      for (const bytes of isOwn ? joined(parts, sizes.headroomBytes) : parts) {
        taken = written(stream, bytes);
        // Whoever waits next gets it; until then a failure must not end the process.
        taken.catch(() => undefined);
      }
    },
    async end() {
      await taken;
      stream.end();
    },
  };
}

function chunkBuffer({ headroomBytes, chunkBytes }: { headroomBytes: number; chunkBytes: number }): Uint8Array {
  return Buffer.allocUnsafeSlow(headroomBytes + chunkBytes).subarray(headroomBytes);
}

/** Measured: compressing a few bytes costs a third of what a whole chunk does, so they go with the chunk that follows them. */
function joined(parts: readonly Uint8Array[], headroomBytes: number): readonly Uint8Array[] {
  const chunk = parts.at(-1);
  const front = parts.slice(0, -1);
  const frontBytes = front.reduce((sum, { length }) => sum + length, 0);
  if (chunk === undefined || frontBytes === 0) return parts;
  if (chunk.byteOffset !== headroomBytes || frontBytes > headroomBytes) return parts;
  const whole = new Uint8Array(chunk.buffer, headroomBytes - frontBytes, frontBytes + chunk.length);
  let at = 0;
  for (const part of front) {
    whole.set(part, at);
    at += part.length;
  }
  return [whole];
}

function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
