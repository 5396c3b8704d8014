import { join } from 'node:path';
import { summariseExtents } from '../core/backup/extents-summary.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { parseWalOffset } from '../core/wal/wal-offset.ts';
import { readTimelineFile } from '../io/data-directory/timeline-file.ts';
import { walStats } from '../io/rstmdb/server.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { listLabels, readManifest } from './backups.ts';
import { databaseSettings, repositoryName } from './database-settings.ts';
import { withServer } from './rstmdb-connection.ts';
import type { RunPort } from './run-port.ts';

export type LiveDatabase = { isUp: boolean; /** Whether nothing that is backed up is missing in it. */ isAsNew: boolean };

/** Whether the owner's server is up, and at least as new as its newest backup. Twice: asked anew. */
export const inspectLiveDatabase =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<LiveDatabase> => {
    const settings = databaseSettings(deps.config, database);
    try {
      const options = { timing: deps.config.timing, signal: run.signal };
      const { latestOffset } = await withServer(settings.server, options, walStats);
      const newest = await newestBackup(deps, database);
      if (newest === undefined) return { isUp: true, isAsNew: true };
      const file = await readTimelineFile(join(settings.dataDir, 'wal'));
      const end = parseWalOffset(newest.end) ?? 0n;
      return { isUp: true, isAsNew: file?.timeline === newest.timeline && (latestOffset ?? 0n) >= end };
    } catch (error) {
      if (error instanceof RstowError && error.code === 'server-unreachable') return { isUp: false, isAsNew: false };
      throw error;
    }
  };

async function newestBackup(deps: ActivityDeps, database: string): Promise<{ timeline: string; end: string } | undefined> {
  const repository = await deps.openRepository(repositoryName(databaseSettings(deps.config, database), undefined));
  const label = (await listLabels(repository, database)).at(-1);
  if (label === undefined) return undefined;
  const { timeline, segments } = await readManifest(repository, database, label);
  const { end } = summariseExtents(segments.map(({ segment, ranges }) => ({ segment, endBytes: ranges.at(-1)?.endBytes ?? 0 })));
  return { timeline, end };
}
