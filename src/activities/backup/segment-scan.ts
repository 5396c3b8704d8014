import { createRecordScanner, type RecordView, type ScanEnd } from '../../core/wal/record-scanner.ts';
import { crc32c } from '../../io/checksum/checksum.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';

export type SegmentScan = {
  path: string;
  /** A record begins there. */
  startBytes: number;
  sizeBytes: number;
  signal?: AbortSignal | undefined;
  onRecord?: (record: RecordView) => void;
};

/** The whole records of a segment's file, up to this size. Fails: data-directory-replaced; source-damaged, where the disk can't read it. */
export async function scanSegment({
  path,
  startBytes,
  sizeBytes,
  signal,
  onRecord,
}: SegmentScan): Promise<{ end: ScanEnd; records: number }> {
  let records = 0;
  const scanner = createRecordScanner({
    crc32c,
    startBytes,
    onRecord: (record) => {
      records += 1;
      onRecord?.(record);
    },
  });
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes, endBytes: sizeBytes, signal })) scanner.push(chunk);
  return { end: scanner.finish(), records };
}
