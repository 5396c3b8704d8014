import { join } from 'node:path';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { descendsFrom } from '../../core/repository/timeline-lineage.ts';
import { parseWalOffset } from '../../core/wal/wal-offset.ts';
import { readTimelineFile } from '../../io/data-directory/timeline-file.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { walStats } from '../../io/rstmdb/server.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings } from '../database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { withServer } from '../server/rstmdb-connection.ts';
import { listLabels, readManifest } from '../stored/backups.ts';
import { inEachRepository, requireOneAnswer } from '../stored/each-repository.ts';
import { readTimelines } from '../stored/timelines.ts';

export type LiveDatabase = { isUp: boolean; /** Whether nothing that is backed up is missing in it. */ isAsNew: boolean };

/**
 * Whether the owner's server is up, and at least as new as its newest backup: of its history, or of one that somebody
 * has left on purpose by a restore. Twice: asked anew.
 */
export const inspectLiveDatabase =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<LiveDatabase> => {
    const settings = databaseSettings(deps.config, database);
    try {
      const options = { timing: deps.config.timing, signal: run.signal };
      const { latestOffset } = await withServer(settings.server, options, walStats);
      const timeline = (await readTimelineFile(join(settings.dataDir, 'wal')))?.timeline;
      const verdicts = await inEachRepository(deps, database, (repository) =>
        holdsNewest(repository, database, { timeline, latestOffset }),
      );
      requireOneAnswer(verdicts);
      return { isUp: true, isAsNew: verdicts.answers.every(({ found }) => found) };
    } catch (error) {
      if (error instanceof RstowError && error.code === 'server-unreachable') return { isUp: false, isAsNew: false };
      throw error;
    }
  };

export type LiveState = { timeline: string | undefined; latestOffset: bigint | undefined };

/** Whether a log of that history and end holds all that the newest backup holds. */
export async function holdsNewest(repository: Repository, database: string, live: LiveState): Promise<boolean> {
  const label = (await listLabels(repository, database)).at(-1);
  if (label === undefined) return true;
  if (live.timeline === undefined) return false;
  const { timeline, segments } = await readManifest(repository, database, label);
  if (live.timeline !== timeline) return descendsFrom(await readTimelines(repository, database), live.timeline, timeline);
  const { end } = summariseExtents(promisedExtents(segments));
  return (live.latestOffset ?? 0n) >= (parseWalOffset(end) ?? 0n);
}
