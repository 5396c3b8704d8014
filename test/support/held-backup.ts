/** Backups that are caught in mid-way, by nothing but what a log may look like. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { append, orderRecord } from './wal-writer.ts';
import { waitUntil } from './wait-until.ts';

/** Such a wait for a record's end must outlast the test: `timing.tornTailMs` of its agent. */
export const HELD_MS = 600_000;

/** temporal.api.enums.v1.PendingActivityState */
const STARTED = 2;

/**
 * From now on a backup waits in `storeSegments`, with its label taken, its segments pinned and its fence kept: the log ends
 * in the middle of a record, as if its server were still writing it. Nothing else may write. `letGo` writes the rest.
 */
export async function holdBackups(walDir: string, instanceId: string): Promise<{ letGo: () => Promise<void> }> {
  const newest = join(
    walDir,
    (await readdir(walDir))
      .filter((name) => name.endsWith('.wal'))
      .sort()
      .at(-1)!,
  );
  const record = orderRecord(instanceId);
  const half = Math.floor(record.length / 2);
  await append(newest, record.subarray(0, half));
  return { letGo: () => append(newest, record.subarray(half)) };
}

/** Returns once the run is at work on that step. */
export async function reachStep(handle: WorkflowHandle, step: string): Promise<void> {
  await waitUntil(`${handle.workflowId} is at ${step}`, async () => {
    const { pendingActivities = [] } = (await handle.describe()).raw;
    return (pendingActivities ?? []).some(({ activityType, state }) => activityType?.name === step && Number(state) === STARTED);
  });
}
