/** Bytes in the order in which they came. What stays is copied, so that a chunk's memory can be used again. */
export type ByteQueue = {
  /** Takes a chunk, and gives the next so many bytes: the front of what has come. Valid as long as the chunk is. */
  exchange(chunk: Uint8Array, wantedBytes: number): Uint8Array[];
};

export function createByteQueue(): ByteQueue {
  let held: Uint8Array[] = [];
  return {
    exchange(chunk, wantedBytes) {
      const { front, rest, missingBytes } = split(held, wantedBytes);
      const part = chunk.subarray(0, missingBytes);
      held = part.length < chunk.length ? [...rest, Uint8Array.from(chunk.subarray(part.length))] : rest;
      return part.length > 0 ? [...front, part] : front;
    },
  };
}

function split(chunks: readonly Uint8Array[], wantedBytes: number): { front: Uint8Array[]; rest: Uint8Array[]; missingBytes: number } {
  const front: Uint8Array[] = [];
  const rest: Uint8Array[] = [];
  let missingBytes = wantedBytes;
  for (const chunk of chunks) {
    const partBytes = Math.min(missingBytes, chunk.length);
    if (partBytes > 0) front.push(chunk.subarray(0, partBytes));
    if (partBytes < chunk.length) rest.push(chunk.subarray(partBytes));
    missingBytes -= partBytes;
  }
  return { front, rest, missingBytes };
}
