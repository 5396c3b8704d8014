import { join } from 'node:path';
import { RstowError } from '../core/errors/rstow-error.ts';
import { positionBytesOf, segmentOf, type WalOffset } from '../core/wal/wal-offset.ts';
import { findWholeRecords } from '../core/wal/record-scanner.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { readBytes } from '../io/data-directory/range-reader.ts';
import { listSegments, type SegmentFile } from '../io/data-directory/segments.ts';
import type { RstmdbClient } from '../io/rstmdb/rstmdb-client.ts';
import { walStats } from '../io/rstmdb/server.ts';
import type { Server } from './database.ts';

/**
 * Whether the configured directory is that of the server that answers: the log's end, as the server reports it before
 * and after the files were listed, must lie on both sides of what the files show.
 * Fails: data-directory-missing, data-directory-foreign.
 */
export async function checkDataDirectoryIsServers(
  { dataDir, address }: Pick<Server, 'dataDir' | 'address'>,
  client: RstmdbClient,
): Promise<void> {
  const before = (await walStats(client)).latestOffset;
  const files = await listSegments(join(dataDir, 'wal'));
  const after = (await walStats(client)).latestOffset;
  if (files === undefined) {
    throw new RstowError('data-directory-missing', `${dataDir}/wal does not exist`, { details: { dataDir } });
  }
  const known = before === undefined || reaches(files, before);
  const bounded = after === undefined || (await endsBy(files, after));
  if (known && bounded) return;
  throw new RstowError('data-directory-foreign', `the log of the server at ${address} does not end where the files in ${dataDir} end`, {
    details: { dataDir, address },
  });
}

/** The files hold at least what the server had written. */
function reaches(files: readonly SegmentFile[], offset: WalOffset): boolean {
  const file = files.find((candidate) => candidate.segment === segmentOf(offset));
  return file !== undefined && file.sizeBytes >= positionBytesOf(offset);
}

/**
 * The segment that the server writes to holds no more than it has written since. Newer files may stand beside it: a
 * rotation makes the file first, and of two rotations at once the one with the lower number may win. A write that a full
 * disk cut short leaves bytes in it that the server doesn't count.
 * @see rstmdb-wal 0.3.0 src/wal.rs, rotate_segment
 */
async function endsBy(files: readonly SegmentFile[], offset: WalOffset): Promise<boolean> {
  const current = files.find((candidate) => candidate.segment === segmentOf(offset));
  const endBytes = positionBytesOf(offset);
  return current === undefined || current.sizeBytes <= endBytes || (await wholeRecordBytes(current)) <= endBytes;
}

async function wholeRecordBytes({ path, sizeBytes }: SegmentFile): Promise<number> {
  const bytes = await readBytes({ source: { kind: 'path', path }, startBytes: 0, endBytes: sizeBytes });
  const { kept } = findWholeRecords(bytes, crc32c);
  return kept.reduce((sum, range) => sum + range.endBytes - range.startBytes, 0);
}
