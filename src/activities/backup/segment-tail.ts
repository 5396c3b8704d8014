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
  if (end.kind === 'corrupt') throw damaged(file, end.positionBytes, `no valid record there (${end.reason})`);
  const { size } = await stat(path);
  const endBytes = Math.min(size, end.positionBytes + LOOK_AHEAD_BYTES);
  const tail = await readBytes({ source: { kind: 'path', path }, startBytes: end.positionBytes, endBytes });
  const nextBytes = findNextRecord(tail, 1, crc32c);
  if (nextBytes !== undefined) {
    throw damaged(file, end.positionBytes, `an incomplete record, and a whole one at byte ${end.positionBytes + nextBytes}`);
  }
  const what = end.kind === 'zeros' ? 'zeros' : 'an incomplete record';
  const tailBytes = size - end.positionBytes;
  return {
    code: end.kind === 'zeros' ? 'zero-tail' : 'torn-tail',
    message: `${file} ends with ${tailBytes} bytes of ${what}, left out: the server must not append behind them; restore or repair it before it writes on`,
  };
}

function damaged(file: string, positionBytes: number, what: string): RstowError {
  return new RstowError('source-damaged', `${file} has at byte ${positionBytes} ${what}`, { details: { file, positionBytes } });
}
