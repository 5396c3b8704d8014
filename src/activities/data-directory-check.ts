import { join } from 'node:path';
import type { DatabaseConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { positionBytesOf, segmentOf, type WalOffset } from '../core/wal/wal-offset.ts';
import { listSegments, type SegmentFile } from '../io/data-directory/segments.ts';
import type { RstmdbClient } from '../io/rstmdb/rstmdb-client.ts';
import { walStats } from '../io/rstmdb/server.ts';

/**
 * Whether the configured directory is that of the server that answers: the log's end, as the server tells it before
 * and after the files were listed, must lie on both sides of what the files show.
 * Fails: data-directory-missing, data-directory-foreign.
 */
export async function checkDataDirectoryIsServers(settings: DatabaseConfig, client: RstmdbClient): Promise<void> {
  const before = (await walStats(client)).latestOffset;
  const files = await listSegments(join(settings.dataDir, 'wal'));
  const after = (await walStats(client)).latestOffset;
  if (files === undefined) {
    throw new RstowError('data-directory-missing', `${settings.dataDir}/wal does not exist`, { details: { dataDir: settings.dataDir } });
  }
  const known = before === undefined || reaches(files, before);
  const bounded = after === undefined || endsBy(files, after);
  if (known && bounded) return;
  throw new RstowError(
    'data-directory-foreign',
    `the log of the server at ${settings.server.address} does not end where the files in ${settings.dataDir} end`,
    { details: { dataDir: settings.dataDir, address: settings.server.address } },
  );
}

/** The files hold at least what the server had written. */
function reaches(files: readonly SegmentFile[], offset: WalOffset): boolean {
  const file = files.find((candidate) => candidate.segment === segmentOf(offset));
  return file !== undefined && file.sizeBytes >= positionBytesOf(offset);
}

/** The files hold no more than the server has written since; an older segment may grow in a rotation race. */
function endsBy(files: readonly SegmentFile[], offset: WalOffset): boolean {
  const newest = files.at(-1);
  if (newest === undefined || newest.segment < segmentOf(offset)) return true;
  return newest.segment === segmentOf(offset) && newest.sizeBytes <= positionBytesOf(offset);
}
