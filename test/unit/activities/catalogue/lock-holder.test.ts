import { expect, it } from 'vitest';
import type { ActivityDeps } from '../../../../src/activities/activity-deps.ts';
import { endRunOfLostOwner } from '../../../../src/activities/catalogue/lock-holder.ts';
import type { LockHolder, OneRun } from '../../../../src/activities/run-port.ts';

const RUN: OneRun = { workflowId: 'rstow/orders/hotBackup/1', runId: 'run-1' };
const HOLDER: LockHolder = { ...RUN, type: 'hotBackup', sinceMs: 0, open: true, lockRunId: 'lock-1' };

/** What is answered, and what was terminated, where this run holds the lock. */
async function endHeldBy(holder: LockHolder | undefined): Promise<{ ended: LockHolder | null; terminated: OneRun[] }> {
  const terminated: OneRun[] = [];
  const terminate = async ({ workflowId, runId }: OneRun): Promise<void> => void terminated.push({ workflowId, runId });
  const deps = { runs: { lockHolder: async () => holder, terminate } } as unknown as ActivityDeps;
  return { ended: await endRunOfLostOwner(deps)({ database: 'orders' }), terminated };
}

it.each(['hotBackup', 'restore'])('ends the very run of a %s that waits for the lost host', async (type) => {
  const holder = { ...HOLDER, type };
  expect(await endHeldBy(holder)).toEqual({ ended: holder, terminated: [RUN] });
});

it.each([
  ['another recovery, which goes on elsewhere', { ...HOLDER, type: 'disasterRecovery' }],
  ['a run that has ended by itself', { ...HOLDER, open: false }],
  ['nobody', undefined],
])('ends nothing where the lock is held by %s', async (_who, holder) => {
  expect(await endHeldBy(holder)).toEqual({ ended: null, terminated: [] });
});
