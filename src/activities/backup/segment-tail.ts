import { stat } from 'node:fs/promises';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { findNextRecord, type ScanEnd } from '../../core/wal/record-scanner.ts';
import { type SegmentId, segmentFileName } from '../../core/wal/segment-id.ts';
import { crc32c } from '../../io/checksum/crc32c.ts';
import { readBytes } from '../../io/data-directory/range-reader.ts';

/** Behind a torn record of at most 16 MiB the next one begins within this. */
const LOOK_AHEAD_BYTES = 32 * 1024 * 1024;

/**
 * What the bytes after a segment's last whole record mean: a warning where they are only a tail, which a restore
 * leaves out. Fails: source-damaged, where valid records lie behind, or the server would refuse to start.
 */
export async function judgeTail(path: string, segment: SegmentId, end: ScanEnd): Promise<Warning> {
  const file = segmentFileName(segment);
  if (end.kind === 'corrupt') throw damaged(file, end.positionBytes, `has no valid record at byte ${end.positionBytes} (${end.reason})`);
  const { size } = await stat(path);
  const endBytes = Math.min(size, end.positionBytes + LOOK_AHEAD_BYTES);
  const tail = await readBytes({ source: { kind: 'path', path }, startBytes: end.positionBytes, endBytes });
  const nextBytes = findNextRecord(tail, 1, crc32c);
  if (nextBytes !== undefined) {
    const [torn, next] = [end.positionBytes, end.positionBytes + nextBytes];
    throw damaged(file, torn, `has an incomplete record at byte ${torn}, and a whole one behind it at byte ${next}`);
  }
  const what = end.kind === 'zeros' ? 'zeros' : 'an incomplete record';
  const tailBytes = size - end.positionBytes;
  return {
    code: end.kind === 'zeros' ? 'zero-tail' : 'torn-tail',
    message: `${file} ends with ${tailBytes} bytes of ${what}, which the backup leaves out; restore or repair the segment before the server writes behind them`,
  };
}

function damaged(file: string, positionBytes: number, what: string): RstowError {
  return new RstowError('source-damaged', `${file} ${what}`, { details: { file, positionBytes } });
}
