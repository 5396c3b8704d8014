import { lockWorkflowId } from '../contract/names.ts';
import type { ActivityDeps } from './activity-deps.ts';
import type { LockHolder } from './run-registry.ts';

/**
 * Who holds the database's lock. A lock whose holder's run has closed is an orphan (a reset to a run's first
 * task leaves one): it is ended, and nobody holds the lock. Twice: the same.
 */
export const findLockHolder =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<LockHolder | null> => {
    const lockId = lockWorkflowId(database);
    const holder = await deps.runs.lockHolder(lockId);
    if (holder === undefined) return null;
    if (holder.open) return holder;
    await deps.runs.terminate(lockId, `its holder ${holder.workflowId} has ended`);
    return null;
  };
