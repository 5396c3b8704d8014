import type { Writable } from 'node:stream';

/** Measured: larger ones cost no less, smaller ones more turns of the event loop. */
const CHUNK_SIZE_BYTES = 512 * 1024;

/**
 * Gives chunks to a stream through two buffers in turn: one is read while the stream takes the other. It holds for a
 * stream that is done with a chunk when it calls back, as a compressor is, and not one that hands chunks on.
 */
export type ChunkFeed = {
  /** The next chunk's memory. What was written from it the last time has been taken by then. */
  nextBuffer: () => Promise<Uint8Array>;
  write: (bytes: Uint8Array) => void;
  /** Waits until everything is taken, and ends the stream. */
  end: () => Promise<void>;
};

export function createChunkFeed(stream: Writable): ChunkFeed {
  const buffers: Uint8Array[] = [Buffer.allocUnsafeSlow(CHUNK_SIZE_BYTES), Buffer.allocUnsafeSlow(CHUNK_SIZE_BYTES)];
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
    write(bytes) {
      taken = written(stream, bytes);
      // Whoever waits next is told; until then a failure must not end the process.
      taken.catch(() => undefined);
    },
    async end() {
      await taken;
      stream.end();
    },
  };
}

function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
