import type { Writable } from 'node:stream';

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
export type ChunkFeed = {
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
        // Whoever waits next is told; until then a failure must not end the process.
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
