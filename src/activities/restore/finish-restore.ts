import { placeStagedWal } from '../../io/data-directory/place-staged.ts';
import { clearRestore } from '../../io/data-directory/restores.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { readPlan } from './plan-restore.ts';

export type FinishRestoreInput = { repository: string; planKey: string };

/** Gives the staged wal/ its name in the other directory; no server knows it yet. Twice: no-op. */
export const placeElsewhere =
  (deps: ActivityDeps) =>
  async (input: FinishRestoreInput, run: RunPort): Promise<void> => {
    const plan = await readPlan(await deps.openRepository(input.repository), input.planKey);
    await placeStagedWal(plan.dataDir, run.runId);
  };

/**
 * Clears what the run has staged; the data that it replaced stay for their time. Asks no repository: one that has gone
 * must not keep a failed restore from ending. Twice: no-op.
 */
export const clearStaging =
  () =>
  async ({ dataDir }: { dataDir: string }, run: RunPort): Promise<void> => {
    await clearRestore(dataDir, run.runId);
  };
