import { stat } from 'node:fs/promises';
import { createRecordScanner, findNextRecord, findWholeRecords, type RecordView, type ScanEnd } from '../../core/wal/record-scanner.ts';
import { crc32c } from '../../io/checksum/checksum.ts';
import { readBytes, readRange } from '../../io/data-directory/range-reader.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { countedText } from '../../core/text/figures.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';

type SegmentScan = {
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

const RECORD_BYTES_MAX = 17 * 1024 * 1024;

/** Whether a whole record begins there. */
export async function holdsRecord(path: string, startBytes: number): Promise<boolean> {
  const { size } = await stat(path);
  const { records } = await scanSegment({ path, startBytes, sizeBytes: Math.min(size, startBytes + RECORD_BYTES_MAX) });
  return records > 0;
}

/** Behind a torn record of at most 16 MiB the next one begins within this; by default it is a whole segment. */
const LOOK_AHEAD_BYTES = 64 * 1024 * 1024;

/**
 * What the bytes after a segment's last whole record mean: a warning where they are only a tail, which a restore
 * leaves out. Fails: source-damaged, where valid records lie behind, or the server would refuse to start.
 */
export async function judgeTail(path: string, segment: SegmentId, end: ScanEnd): Promise<Warning> {
  const file = segmentFileName(segment);
  const { size } = await stat(path);
  const damage = await damageBehind(path, segment, { end, sizeBytes: size });
  if (damage !== undefined) throw damage;
  const what = end.kind === 'zeros' ? 'zeros' : 'an incomplete record';
  const tailBytes = size - end.positionBytes;
  return {
    code: end.kind === 'zeros' ? 'zero-tail' : 'torn-tail',
    message: `${file} ends with ${tailBytes} bytes of ${what}, which the backup leaves out; restore or repair the segment before the server writes behind them`,
  };
}

/** That a segment has damage where its whole records end, and what a restart of its server does then; undefined for a mere tail. */
export async function damageBehind(
  path: string,
  segment: SegmentId,
  { end, sizeBytes, signal }: { end: ScanEnd; sizeBytes: number; signal?: AbortSignal },
): Promise<RstowError | undefined> {
  if (end.kind === 'whole') return undefined;
  const endBytes = Math.min(sizeBytes, end.positionBytes + LOOK_AHEAD_BYTES);
  const tail = await readBytes({ source: { kind: 'path', path }, startBytes: end.positionBytes, endBytes, signal });
  const nextBytes = findNextRecord(tail, 1, crc32c);
  if (end.kind !== 'corrupt' && nextBytes === undefined) return undefined;
  const { records } = findWholeRecords(tail.subarray(nextBytes ?? tail.length), crc32c);
  const file = segmentFileName(segment);
  const what =
    end.kind === 'corrupt'
      ? `no valid record there (${end.reason})`
      : `an incomplete record, and a whole one at byte ${end.positionBytes + (nextBytes ?? 0)}`;
  const restart = restartText(end, `${endBytes < sizeBytes ? 'at least ' : ''}${countedText(records, 'whole record')}`, records);
  return new RstowError('source-damaged', `${file} has at byte ${end.positionBytes} ${what}: ${restart}`, {
    details: { file, positionBytes: end.positionBytes, recordsBehind: records },
  });
}

/** What the server's next start does. */
function restartText({ kind }: ScanEnd, counted: string, records: number): string {
  if (kind !== 'corrupt') return `the server’s next start loses the ${counted} behind that place`;
  return `a server refuses to start on it${records === 0 ? '' : `, or loses the ${counted} behind that place`}`;
}
