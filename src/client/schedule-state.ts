import { type Client, type ScheduleDescription, ScheduleNotFoundError } from '@temporalio/client';
import { SCHEDULE_MEMO, scheduleId } from '../contract/names.ts';
import type { ScheduledType } from '../contract/schedules.ts';
import { presentFields } from './schedule-form.ts';

/** A schedule as it is. Times are Unix ms. */
export type ScheduleState = {
  id: string;
  type: ScheduledType;
  /** False if it was not made from a config: then it can only be looked at here. */
  isOwn: boolean;
  cron: string | undefined;
  everyMs: number | undefined;
  timeZone: string;
  /** Each run begins up to so much later, by chance. */
  jitterMs: number;
  /** When it was made, or changed last. */
  changedAtMs: number;
  nextAtMs: number | undefined;
  /** When the latest run was due, and when it was started. */
  lastDueAtMs: number | undefined;
  lastAtMs: number | undefined;
  /** The latest run that it has started. */
  lastWorkflowId: string | undefined;
  /** The run that is going. */
  openWorkflowId: string | undefined;
  isPaused: boolean;
  /** Why it is paused. */
  note: string | undefined;
  started: number;
  /** Runs that could not be started within `catchUpMs`. */
  missed: number;
  /** Runs that were due while one was going, those that one run has caught up among them. */
  skipped: number;
};

/** Undefined if there is none. */
export async function scheduleState(client: Client, database: string, type: ScheduledType): Promise<ScheduleState | undefined> {
  const present = await findSchedule(client, database, type);
  if (present === undefined) return undefined;
  const { spec, state, info } = present;
  const { cron, everyMs, timeZone = 'UTC' } = presentFields(present);
  const last = info.recentActions.at(-1);
  return {
    id: present.scheduleId,
    type,
    isOwn: isOwn(present, database),
    cron,
    everyMs: everyMs === undefined ? undefined : Number(everyMs),
    timeZone,
    jitterMs: spec.jitter ?? 0,
    changedAtMs: (info.lastUpdatedAt ?? info.createdAt).getTime(),
    nextAtMs: state.paused ? undefined : info.nextActionTimes[0]?.getTime(),
    lastDueAtMs: last?.scheduledAt.getTime(),
    lastAtMs: last?.takenAt.getTime(),
    lastWorkflowId: last?.action.workflow.workflowId,
    openWorkflowId: info.runningActions[0]?.workflow.workflowId,
    isPaused: state.paused,
    note: state.paused ? state.note : undefined,
    started: info.numActionsTaken,
    missed: info.numActionsMissedCatchupWindow,
    skipped: info.numActionsSkippedOverlap,
  };
}

/** Undefined if there is none. */
export async function findSchedule({ schedule }: Client, database: string, type: ScheduledType): Promise<ScheduleDescription | undefined> {
  try {
    return await schedule.getHandle(scheduleId(database, type)).describe();
  } catch (error) {
    unlessMissing(error);
    return undefined;
  }
}

export function isOwn({ memo }: ScheduleDescription, database: string): boolean {
  return memo?.[SCHEDULE_MEMO] === database;
}

export function unlessMissing(error: unknown): void {
  if (!(error instanceof ScheduleNotFoundError)) throw error;
}
