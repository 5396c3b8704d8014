import { createRecordScanner, type RecordView, type ScanEnd } from '../core/wal/record-scanner.ts';
import { crc32c, createSha256 } from '../io/checksum/checksum.ts';

export type LastRecord = Pick<RecordView, 'startBytes' | 'crc32c' | 'sequence'>;

/** What whole records there were. `endBytes` is a record boundary; where there was none it is the start. */
export type PieceContent = {
  endBytes: number;
  records: number;
  sha256: string;
  lastRecord: LastRecord;
  /** `whole`: the target was reached; else why the whole records end before it. */
  end: ScanEnd;
};

export type RecordCut = {
  /** Takes a segment's next bytes; gives back those that are whole records now, and holds a copy of the rest. */
  push(chunk: Uint8Array): Uint8Array[];
  /** Whether more bytes can't change the outcome. */
  isDecided(): boolean;
  /** Ends it. */
  content(): PieceContent;
};

export type CutRange = {
  startBytes: number;
  targetBytes: number;
  /** Sees each record that is let through. */
  onRecord?: ((record: RecordView) => void) | undefined;
};

/** Lets whole records through, up to the first that ends at or past `targetBytes`. */
export function createRecordCut({ startBytes, targetBytes, onRecord }: CutRange): RecordCut {
  const hash = createSha256();
  const held = createByteQueue();
  let passedBytes = startBytes;
  let pushedBytes = startBytes;
  let endBytes = startBytes;
  let records = 0;
  let lastRecord: LastRecord = { startBytes, crc32c: 0, sequence: 0 };

  const scanner = createRecordScanner({
    crc32c,
    startBytes,
    onRecord: (record) => {
      if (endBytes >= targetBytes) return;
      endBytes = record.endBytes;
      records += 1;
      lastRecord = { startBytes: record.startBytes, crc32c: record.crc32c, sequence: record.sequence };
      onRecord?.(record);
    },
  });
  const endOf = (): ScanEnd =>
    endBytes >= targetBytes ? { kind: 'whole', positionBytes: endBytes } : { ...scanner.finish(), positionBytes: endBytes };

  return {
    push(chunk) {
      pushedBytes += chunk.length;
      scanner.push(chunk);
      const passed = held.exchange(chunk, endBytes - passedBytes);
      passedBytes = endBytes;
      for (const part of passed) hash.update(part);
      return passed;
    },
    isDecided() {
      const { kind } = endOf();
      return endBytes >= targetBytes || kind === 'corrupt' || (kind === 'zeros' && pushedBytes >= targetBytes);
    },
    content: () => ({ endBytes, records, sha256: hash.digestHex(), lastRecord, end: endOf() }),
  };
}

/** Bytes in the order in which they came. What stays is copied, so that a chunk's memory can be used again. */
type ByteQueue = {
  /** Takes a chunk, and gives the next so many bytes: the front of what has come. Valid as long as the chunk is. */
  exchange(chunk: Uint8Array, wantedBytes: number): Uint8Array[];
};

function createByteQueue(): ByteQueue {
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
