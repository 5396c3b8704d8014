import type { ActivityDeps } from '../../activities/activity-deps.ts';
import { isLocalRunId } from '../../io/agent-state/run-files.ts';
import type { Store } from '../../store/store.ts';
import type { RunStates } from './leftovers.ts';

/** How long what an ended run has left in a repository stays at least. A step that hangs may still be reading it. */
const KEPT_MS = 3_600_000;

/** Of a run that this Temporal knows nothing of, as another one's or one without Temporal: by then it has ended. */
const KEPT_UNKNOWN_MS = 7 * 86_400_000;

export type ClearRepositories = {
  deps: Pick<ActivityDeps, 'agent' | 'catalogueOf'>;
  runs: RunStates;
  /** 1 hour if absent. */
  keptMs?: number;
};

/**
 * Deletes what ended runs have decided, and gives back the labels of backups that never were: what a killed run has
 * stored under one goes with it. Only the owner's agent does. Twice: no-op.
 */
export async function clearRepositories({ deps, runs, keptMs = KEPT_MS }: ClearRepositories, database: string): Promise<void> {
  const catalogue = deps.catalogueOf(database);
  const { owner } = await catalogue.owner.find();
  if (owner?.installationId !== deps.agent.installationId) return;
  const hasEnded = async (runId: string, leftAtMs: number): Promise<boolean> => {
    const ageMs = Date.now() - leftAtMs;
    if (ageMs < keptMs) return false;
    const state = isLocalRunId(runId) ? 'unknown' : await runs.runState(runId);
    return state === 'unknown' ? ageMs > KEPT_UNKNOWN_MS : state === 'closed';
  };
  await catalogue.each((store) => clearStore(store, hasEnded));
}

async function clearStore({ plans, backups }: Store, hasEnded: (runId: string, leftAtMs: number) => Promise<boolean>): Promise<void> {
  for (const { runId, keys, leftAtMs } of await plans.runs()) {
    if (await hasEnded(runId, leftAtMs)) await plans.forget(keys);
  }
  for (const { label, runId, claimedAtMs } of await backups.claims()) {
    if (await hasEnded(runId, claimedAtMs)) await backups.release(label);
  }
}
