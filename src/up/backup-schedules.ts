import {
  type Client,
  ScheduleAlreadyRunning,
  type ScheduleOptions,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import { backupScheduleId, GIVE_UP_MEMO, runWorkflowId, WORKFLOW_QUEUE } from '../contract/names.ts';

export type BackupSchedule = {
  database: string;
  /** Undefined: there is to be none. */
  everyMs: number | undefined;
};

/** After an outage one missed run is made good; the others would find nothing more. */
const CATCH_UP = '10m';

/**
 * Keeps the schedule that backs a database up: makes it, follows a changed interval, removes it. A pause that an operator
 * has set stays. Twice: no-op.
 */
export async function keepBackupSchedule(client: Client, { database, everyMs }: BackupSchedule): Promise<void> {
  const handle = client.schedule.getHandle(backupScheduleId(database));
  if (everyMs === undefined) {
    await handle.delete().catch(unlessMissing);
    return;
  }
  const wanted = scheduleOf(database, everyMs);
  try {
    await client.schedule.create(wanted);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await handle.update(({ state }) => ({ spec: wanted.spec, action: wanted.action, policies: wanted.policies, state }));
  }
}

function scheduleOf(database: string, everyMs: number) {
  return {
    scheduleId: backupScheduleId(database),
    spec: { intervals: [{ every: everyMs }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'hotBackup',
      workflowId: runWorkflowId(database, 'hotBackup', 'scheduled'),
      taskQueue: WORKFLOW_QUEUE,
      args: [{ database, requestedBy: 'schedule', reason: 'rstow up' }],
      memo: { [GIVE_UP_MEMO]: everyMs },
      staticSummary: `hotBackup of ${database}, by schedule`,
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP },
  } satisfies ScheduleOptions;
}

function unlessMissing(error: unknown): void {
  if (!(error instanceof ScheduleNotFoundError)) throw error;
}
