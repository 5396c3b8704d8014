import { RstowError } from '../../core/errors/rstow-error.ts';
import { descendsFrom } from '../../core/backup/history.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { walStats } from '../../io/rstmdb/server.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import type { Store } from '../../store/store.ts';

export type LiveDatabase = { isUp: boolean; /** Whether nothing that is backed up is missing in it. */ isAsNew: boolean };

/**
 * Whether the owner's server is up, and at least as new as its newest backup: of its history, or of one that somebody
 * has left on purpose by a restore. Twice: asked anew.
 */
export const inspectLiveDatabase =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<LiveDatabase> => {
    const { server, walDir } = openDatabase(deps, database);
    try {
      const { latestOffset } = await server.ask(walStats, { signal: run.signal });
      const timeline = (await readTimelineFile(walDir))?.timeline;
      const verdicts = await deps.catalogueOf(database).eachOfSome((store) => holdsNewest(store, { timeline, latestOffset }));
      return { isUp: true, isAsNew: verdicts.answers.every(({ found }) => found) };
    } catch (error) {
      if (error instanceof RstowError && error.code === 'server-unreachable') return { isUp: false, isAsNew: false };
      throw error;
    }
  };

export type LiveState = { timeline: string | undefined; latestOffset: bigint | undefined };

/** Whether a log of that history and end holds all that the newest backup of the history in use holds. */
export async function holdsNewest({ backups, timelines }: Store, live: LiveState): Promise<boolean> {
  const newest = (await backups.history()).backups.find(({ isInUse }) => isInUse);
  if (newest === undefined) return true;
  if (live.timeline === undefined) return false;
  if (live.timeline !== newest.timeline) {
    return descendsFrom(await timelines.all(), live.timeline, newest.timeline);
  }
  return (live.latestOffset ?? 0n) >= newest.end;
}
