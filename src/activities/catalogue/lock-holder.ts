import { lockWorkflowId } from '../../contract/names.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { LockHolder, OneRun, RunPort } from '../run-port.ts';

/**
 * Who holds the database's lock, for a run that wants it. A lock is an orphan if its holder has ended, and if its holder is
 * that very run, which was reset to before it took the lock: it is ended, and nobody holds the lock. Twice: the same.
 */
export const findLockHolder =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: Pick<RunPort, 'workflowId' | 'checkOpen'>): Promise<LockHolder | null> => {
    const lockId = lockWorkflowId(database);
    const holder = await deps.runs.lockHolder(lockId);
    if (holder === undefined) return null;
    if (holder.open && holder.workflowId !== run.workflowId) return holder;
    // An execution that was reset away must not end the lock of the one that goes on.
    await run.checkOpen();
    await deps.runs.terminate({ workflowId: lockId, runId: holder.lockRunId }, `its holder ${holder.workflowId} has ended`);
    return null;
  };

/** Runs that go on on another host than the lost one. */
const NOT_THE_OWNERS = 'disasterRecovery';

/**
 * Ends the run that holds the lock of a database whose owner is lost: its steps wait for a host that may never come
 * back, and should it, they find the run closed and another owner. Gives what was ended; null where nothing is.
 * Twice: null.
 */
export const endRunOfLostOwner =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }): Promise<LockHolder | null> => {
    const holder = await deps.runs.lockHolder(lockWorkflowId(database));
    if (holder === undefined || !holder.open || holder.type === NOT_THE_OWNERS) return null;
    await deps.runs.terminate(holder, `the owner of database "${database}" is lost, and a recovery has begun`);
    return holder;
  };

/** Ends a backup that was asked to give way and did not, such as one whose agent died. Twice: no-op. */
export const endBackup =
  (deps: ActivityDeps) =>
  async ({ backup, reason }: { backup: OneRun; reason: string }): Promise<void> =>
    deps.runs.terminate({ workflowId: backup.workflowId, runId: backup.runId }, reason);
