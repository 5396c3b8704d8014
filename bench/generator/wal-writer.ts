import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { encodeRecord } from '../../src/core/wal/record.ts';
import { type Extent, makeSegmentId, segmentFileName, type SegmentId } from '../../src/core/wal/wal-offset.ts';
import { crc32c } from '../../src/io/checksum/checksum.ts';

const BUFFER_SIZE_BYTES = 4 * 1024 * 1024;

export type WalWriter = {
  append(payload: { type: number; text: string }): { segment: SegmentId; startBytes: number };
  /** How much of each segment there is by now. */
  extents(): Extent[];
  sizeBytes(): number;
  close(): void;
};

/** Writes records into segments as the server does, but without a sync. @see rstmdb-wal 0.3.0 src/wal.rs append */
export function createWalWriter(walDir: string, segmentSizeBytes: number): WalWriter {
  const extents: Extent[] = [];
  let sequence = 0;
  let file: number | undefined;
  let pending: Uint8Array[] = [];
  let pendingBytes = 0;
  let sizeBytes = 0;

  const flush = (): void => {
    if (file !== undefined && pendingBytes > 0) writeSync(file, Buffer.concat(pending));
    pending = [];
    pendingBytes = 0;
  };
  const close = (): void => {
    flush();
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  const rotate = (): Extent => {
    close();
    const segment = makeSegmentId(extents.length + 1) as SegmentId;
    file = openSync(join(walDir, segmentFileName(segment)), 'wx');
    const extent = { segment, endBytes: 0 };
    extents.push(extent);
    return extent;
  };

  return {
    append({ type, text }) {
      sequence += 1;
      const record = encodeRecord({ type, sequence, payload: Buffer.from(text) }, crc32c);
      const current = extents.at(-1);
      const extent = current !== undefined && current.endBytes + record.length <= segmentSizeBytes ? current : rotate();
      const startBytes = extent.endBytes;
      pending.push(record);
      pendingBytes += record.length;
      sizeBytes += record.length;
      extent.endBytes += record.length;
      if (pendingBytes >= BUFFER_SIZE_BYTES) flush();
      return { segment: extent.segment, startBytes };
    },
    extents: () => extents.map((extent) => ({ ...extent })),
    sizeBytes: () => sizeBytes,
    close,
  };
}
