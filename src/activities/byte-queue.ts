/** Chunks in the order in which they came; nothing is copied. */
export type ByteQueue = {
  push(chunk: Uint8Array): void;
  /** The next so many bytes, which must have come. */
  take(sizeBytes: number): Uint8Array[];
};

export function createByteQueue(): ByteQueue {
  let chunks: Uint8Array[] = [];
  return {
    push: (chunk) => void chunks.push(chunk),
    take(sizeBytes) {
      const { front, rest } = split(chunks, sizeBytes);
      chunks = rest;
      return front;
    },
  };
}

function split(chunks: readonly Uint8Array[], sizeBytes: number): { front: Uint8Array[]; rest: Uint8Array[] } {
  const front: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  let wantedBytes = sizeBytes;
  for (const chunk of chunks) {
    const partBytes = Math.min(wantedBytes, chunk.length);
    if (partBytes > 0) front.push(chunk.subarray(0, partBytes));
    if (partBytes < chunk.length) rest.push(chunk.subarray(partBytes));
    wantedBytes -= partBytes;
  }
  return { front, rest };
}
