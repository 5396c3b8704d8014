import type { Client } from '@temporalio/client';

/** A schedule of a database, by the ids that rstow gives. */
export type ScheduleRow = {
  id: string;
  /** What it starts. */
  type: string;
  isPaused: boolean;
  /** Unix ms; undefined if it is paused or has come to its end. */
  nextAtMs?: number | undefined;
  /** Starts that Temporal has passed over: it was down for longer than the schedule's catch-up window. */
  missed: number;
  /** Starts that were skipped because the run before was still at work. */
  overlapped: number;
};

/** In the order of their ids. */
export async function scheduledStarts({ schedule }: Client, database: string): Promise<ScheduleRow[]> {
  const prefix = `rstow-${database}-`;
  const rows: ScheduleRow[] = [];
  for await (const { scheduleId, action } of schedule.list()) {
    const type = scheduleId.slice(prefix.length);
    // `orders-eu` is another database than `orders`: types have no hyphen.
    if (!scheduleId.startsWith(prefix) || type.includes('-')) continue;
    const { state, info } = await schedule.getHandle(scheduleId).describe();
    rows.push({
      id: scheduleId,
      type: action?.workflowType ?? type,
      isPaused: state.paused,
      nextAtMs: state.paused ? undefined : info.nextActionTimes[0]?.getTime(),
      missed: info.numActionsMissedCatchupWindow,
      overlapped: info.numActionsSkippedOverlap,
    });
  }
  return rows.toSorted((one, other) => (one.id < other.id ? -1 : 1));
}
