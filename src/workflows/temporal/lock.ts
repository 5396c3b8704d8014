import { timeText } from '../../core/text/figures.ts';
import {
  CancellationScope,
  type ChildWorkflowHandle,
  condition,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  ParentClosePolicy,
  setHandler,
  sleep,
  startChild,
  workflowInfo,
} from '@temporalio/workflow';
import { defineSearchAttributeKey, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { Place } from '../../activities/catalogue/locate.ts';
import { lockWorkflowId, RELEASE_SIGNAL } from '../../contract/names.ts';
import type { LockHolder } from '../../activities/run-port.ts';
import { GIVE_WAY_SIGNAL, type GiveWay } from '../../contract/messages.ts';
import { type CommonResult, withWarning } from '../../contract/result.ts';
import { BACKUP_TYPES } from '../../contract/workflow-types.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { step } from './activity-proxies.ts';
import type { Run } from './run.ts';

const release = defineSignal(RELEASE_SIGNAL);
const giveWay = defineSignal<[GiveWay]>(GIVE_WAY_SIGNAL);
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

/** A backup has as long as a silent agent counts as alive, and this at least, to put away what it has in hand. */
const GIVE_WAY_MS_MIN = 5_000;
const GIVE_WAY_POLL_MS = 500;

type Lock = { handle: ChildWorkflowHandle<typeof lockDatabase>; /** A backup that had it. */ gaveWay?: LockHolder };

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
  try {
    return await holding(await takeLock(run, place), () => unlessNeededElsewhere(run, exclusive));
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'busy' || !isScheduled()) throw error;
    const warnings = [{ code: error.code, message: error.message }];
    return { outcome: 'skipped', runId: run.runId, database: run.database, warnings };
  }
}

/**
 * The same for what can't wait for a backup: one that holds the lock is asked to give way, and the result says so.
 * Fails: busy, where another restore or recovery holds it.
 */
export async function withDatabaseLockFirst<Result extends CommonResult>(
  run: Run,
  place: Place,
  exclusive: () => Promise<Result>,
): Promise<Result> {
  run.phase('taking the database’s lock');
  const lock = await takeLockFirst(run, place);
  const result = await holding(lock, exclusive);
  if (lock.gaveWay === undefined) return result;
  const { type, workflowId } = lock.gaveWay;
  return withWarning(result, { code: 'busy', message: `${type} ${workflowId} held the database’s lock, and was ended for this run` });
}

async function holding<Result>({ handle }: Lock, exclusive: () => Promise<Result>): Promise<Result> {
  try {
    return await exclusive();
  } finally {
    await CancellationScope.nonCancellable(() => releaseLock(handle));
  }
}

/**
 * A backup's work, which ends early, cleanly, where a restore or a recovery needs the database.
 * Fails: busy, naming that run.
 */
async function unlessNeededElsewhere<T>(run: Run, work: () => Promise<T>): Promise<T> {
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

/** Whether a schedule started the run, and no person waits for it. */
export function isScheduled(): boolean {
  return workflowInfo().typedSearchAttributes.get(scheduledBy) !== undefined;
}

/** Fails: busy. */
async function takeLock(run: Run, place: Place): Promise<Lock> {
  const found = await lockOrHolder(run, place);
  if ('handle' in found) return found;
  throw busy(run.database, found);
}

async function takeLockFirst(run: Run, place: Place): Promise<Lock> {
  const found = await lockOrHolder(run, place);
  if ('handle' in found) return found;
  if (!BACKUP_TYPES.some((type) => type === found.type)) throw busy(run.database, found);
  run.phase('asking a backup to give way', `${found.type} ${found.workflowId} to end`);
  await askToGiveWay(run, found);
  const giveWayMs = Math.max(GIVE_WAY_MS_MIN, place.timing.heartbeatMs);
  for (const untilMs = Date.now() + giveWayMs; Date.now() < untilMs;) {
    const handle = await tryLock(run);
    if (handle !== undefined) return { handle, gaveWay: found };
    await sleep(GIVE_WAY_POLL_MS);
  }
  const { workflowId, runId } = found;
  await step(place).endBackup({ backup: { workflowId, runId }, reason: `${run.type} ${run.workflowId} needs the database` });
  const next = await lockOrHolder(run, place);
  if ('handle' in next) return { ...next, gaveWay: found };
  throw busy(run.database, next);
}

/** Asks the backup that holds the lock to end. One that has ended meanwhile can't be asked, and needn't be. */
async function askToGiveWay({ workflowId, type }: Run, holder: LockHolder): Promise<void> {
  try {
    await getExternalWorkflowHandle(holder.workflowId, holder.runId).signal(giveWay, { workflowId, type });
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}

/** The lock, or who has it. */
async function lockOrHolder(run: Run, place: Place): Promise<Lock | LockHolder> {
  const first = await tryLock(run);
  if (first !== undefined) return { handle: first };
  const holder = await step(place).findLockHolder({ database: run.database });
  if (holder !== null) return holder;
  const second = await tryLock(run);
  if (second !== undefined) return { handle: second };
  return { workflowId: lockWorkflowId(run.database), runId: '', type: 'another run', sinceMs: Date.now(), open: true, lockRunId: '' };
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

function busy(database: string, { workflowId, type, sinceMs }: LockHolder): RstowError {
  const since = timeText(sinceMs);
  const sentence = `database "${database}" is in use by ${type} ${workflowId} since ${since}`;
  return new RstowError('busy', sentence, { details: { holder: workflowId } });
}
