/** What an archive has of a log, as a server would start from it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readArchivedLog } from '../../src/activities/archive/archived-log.ts';
import type { ActivityDeps } from '../../src/activities/activity-deps.ts';
import { segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { readWal, type Wal } from './bounds-round.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { archivedBytes } from './direct-archive.ts';
import { startRstmdb } from './rstmdb-server.ts';

/** Each segment up to its first hole. The data directory must not be there. */
export async function writeArchivedCopy(deps: ActivityDeps, dataDir: string): Promise<Wal> {
  const log = await readArchivedLog(await deps.openStore(DATABASE), '0001');
  const walDir = join(dataDir, 'wal');
  await mkdir(walDir, { recursive: true });
  for (const segment of log.segments()) await writeFile(join(walDir, segmentFileName(segment)), await archivedBytes(deps, segment));
  return readWal(walDir);
}

/** Starts a server on it, and gives the digest of what that shows. */
export async function copyDigest({ settings, config }: DatabaseStack, dataDir: string): Promise<string> {
  const server = await startRstmdb({ dataDir, env: { RSTMDB_COMPACT_ENABLED: 'false' } });
  try {
    const copy = { ...settings, server: { ...settings.server, address: server.address } };
    return (await liveDigest(copy, config.timing, new AbortController().signal)).stateDigest;
  } finally {
    await server.kill();
  }
}
