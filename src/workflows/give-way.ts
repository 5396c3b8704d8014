import { CancellationScope, defineSignal, getExternalWorkflowHandle, isCancellation, setHandler } from '@temporalio/workflow';
import type { LockHolder } from '../activities/run-registry.ts';
import { GIVE_WAY_SIGNAL, type GiveWay } from '../contract/messages.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Run } from './run.ts';

const giveWay = defineSignal<[GiveWay]>(GIVE_WAY_SIGNAL);

/**
 * A backup's work, which ends early, cleanly, where a restore or a recovery needs the database.
 * Fails: busy, naming that run.
 */
export async function unlessNeededElsewhere<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const scope = new CancellationScope();
  const asked: { by?: GiveWay } = {};
  setHandler(giveWay, (by) => {
    asked.by ??= by;
    scope.cancel();
  });
  try {
    return await scope.run(work);
  } catch (error) {
    if (asked.by === undefined || !isCancellation(error)) throw error;
    const { type, workflowId } = asked.by;
    const sentence = `the backup gave way to ${type} ${workflowId} at: ${run.progress.phase}`;
    throw new RstowError('busy', sentence, { details: { holder: workflowId } });
  }
}

/** Asks the backup that holds the lock to end. One that has ended meanwhile can't be asked, and needn't be. */
export async function askToGiveWay({ workflowId, type }: Run, holder: LockHolder): Promise<void> {
  try {
    await getExternalWorkflowHandle(holder.workflowId, holder.runId).signal(giveWay, { workflowId, type });
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}
