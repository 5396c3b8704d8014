import {
  CancellationScope,
  type ChildWorkflowHandle,
  condition,
  defineSignal,
  ParentClosePolicy,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Place } from '../activities/catalogue/locate.ts';
import { lockWorkflowId, RELEASE_SIGNAL } from '../contract/names.ts';
import type { CommonResult } from '../contract/result.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { step } from './activity-proxies.ts';
import type { Run } from './run.ts';

const release = defineSignal(RELEASE_SIGNAL);
/** Set by the server on every run that a schedule starts. */
const scheduledBy = defineSearchAttributeKey('TemporalScheduledById', 'KEYWORD');

/** The lock itself: while its run is open, its fixed id is taken. It ends with its parent, whatever ends that. */
export async function lockDatabase(): Promise<void> {
  let released = false;
  setHandler(release, () => {
    released = true;
  });
  await condition(() => released);
}

/**
 * Runs the exclusive part of a run that writes a database's history or its directory. A run that a schedule started
 * gives way to the holder: it ends as `skipped`. Fails: busy, naming the holder.
 */
export async function withDatabaseLock<Result extends CommonResult>(
  run: Run,
  place: Place,
  exclusive: () => Promise<Result>,
): Promise<Result | CommonResult> {
  run.phase('taking the database’s lock');
  const lock = await takeLock(run, place);
  if (lock instanceof RstowError) {
    if (!isScheduled()) throw lock;
    const warnings = [{ code: lock.code, message: lock.message }];
    return { outcome: 'skipped', runId: run.runId, database: run.database, warnings };
  }
  try {
    return await exclusive();
  } finally {
    await CancellationScope.nonCancellable(() => releaseLock(lock));
  }
}

function isScheduled(): boolean {
  return workflowInfo().typedSearchAttributes.get(scheduledBy) !== undefined;
}

/** The lock, or why it can't be had. */
async function takeLock(run: Run, place: Place): Promise<ChildWorkflowHandle<typeof lockDatabase> | RstowError> {
  const first = await tryLock(run);
  if (first !== undefined) return first;
  const holder = await step(place).findLockHolder({ database: run.database });
  if (holder !== null) return busy(run.database, holder);
  const taken = { workflowId: lockWorkflowId(run.database), type: 'another run', sinceMs: Date.now() };
  return (await tryLock(run)) ?? busy(run.database, taken);
}

async function tryLock(run: Run): Promise<ChildWorkflowHandle<typeof lockDatabase> | undefined> {
  const { workflowId, runId, type, startedAtMs } = run;
  const options = {
    workflowId: lockWorkflowId(run.database),
    parentClosePolicy: ParentClosePolicy.TERMINATE,
    memo: { holder: workflowId, runId, type, sinceMs: startedAtMs },
    staticSummary: `lock of ${run.database}, held by ${type}`,
  };
  try {
    // A cancelled holder still cleans up: its cancellation must not end the lock before that.
    return await CancellationScope.nonCancellable(() => startChild(lockDatabase, options));
  } catch (error) {
    if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
    throw error;
  }
}

/** Waits for the lock's end, so that it shows `Completed`; one that an operator ended is gone already. */
async function releaseLock(lock: ChildWorkflowHandle<typeof lockDatabase>): Promise<void> {
  try {
    await lock.signal(release);
    await Promise.race([lock.result(), sleep('10s')]);
  } catch {
    // A lock that was terminated from outside can't be released any more, and needn't be.
  }
}

function busy(database: string, holder: { workflowId: string; type: string; sinceMs: number }): RstowError {
  const since = new Date(holder.sinceMs).toISOString();
  return new RstowError('busy', `database "${database}" is in use by ${holder.type} ${holder.workflowId} since ${since}`, {
    details: { holder: holder.workflowId },
  });
}
