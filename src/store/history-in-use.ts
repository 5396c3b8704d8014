import type { Warning } from '../contract/result.ts';
import type { ActivityDeps } from '../activities/activity-deps.ts';
import { requireAuthority } from '../activities/authority/authority.ts';
import type { RunPort } from '../activities/run-port.ts';
import { claimEverywhere, requireOwner } from './ownership.ts';

export type FollowHistoryInput = { database: string; timeline: string };

/**
 * Says in the owner's claim which timeline the database goes on with, once a restore has swapped it in. From here on
 * the backups of the timeline that was left count as abandoned. Fails: owner-outdated, repository-unavailable.
 * Twice: no-op.
 */
export const noteHistory =
  (deps: ActivityDeps) =>
  async ({ database, timeline }: FollowHistoryInput, run: RunPort): Promise<void> => {
    await requireAuthority(deps, run, { database, isPreparing: true });
    await run.checkOpen();
    await followHistory(deps, database, timeline);
  };

/**
 * The same, for whoever has found the owner's directory to continue the timeline. Gives a warning where it is an older
 * one than before: somebody has put replaced data back by hand.
 */
export async function followHistory(deps: ActivityDeps, database: string, timeline: string): Promise<Warning | undefined> {
  const owner = await requireOwner(deps, database);
  if (owner.timeline === timeline) return undefined;
  await claimEverywhere(deps, database, { ...owner, generation: owner.generation + 1, timeline, claimedAtMs: Date.now() });
  if (Number(timeline) > Number(owner.timeline)) return undefined;
  const sentence = `the data directory is back on timeline ${timeline}: the backups of timeline ${owner.timeline} are of an abandoned history`;
  return { code: 'history-changed', message: sentence };
}
