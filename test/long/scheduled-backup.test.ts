/** Backups that a schedule starts and that can't be made at once: they wait, give the lock up, or give up. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { GIVE_UP_MEMO, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from '../workflow/fake-agent.ts';
import { failureOf } from '../workflow/failures.ts';
import { LABEL } from '../workflow/plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const startScheduled = async (giveUpMs: number) => {
  const scheduleId = `test-${randomUUID()}`;
  const schedule = await agent.client.schedule.create({
    scheduleId,
    spec: {},
    action: {
      type: 'startWorkflow',
      workflowType: 'hotBackup',
      taskQueue: WORKFLOW_QUEUE,
      args: [{ database: DATABASE }],
      memo: { [GIVE_UP_MEMO]: giveUpMs },
    },
  });
  await schedule.trigger();
  await waitUntil('the schedule has started its run', async () => (await schedule.describe()).info.recentActions.length > 0);
  const [started] = (await schedule.describe()).info.recentActions;
  await schedule.delete();
  return agent.client.workflow.getHandle((started!.action as { workflow: { workflowId: string } }).workflow.workflowId);
};

it('waits in a run of a schedule for a server that is down, without the lock, and then backs up', async () => {
  agent.place.timing.patienceMs = 300;
  agent.verbs.checkBackup = async () => Promise.reject(new RstowError('server-unreachable', 'nobody listens'));
  const run = await startScheduled(60_000);
  await waitUntil('the run waits', async () => (await run.query<Progress>('progress')).phase === 'waiting until a backup is possible');
  expect((await run.query<Progress>('progress')).waitsFor).toMatch(/^server-unreachable: nobody listens; the next try is at /);
  const byHand = agent.execute('restore', { database: DATABASE, backup: 'latest' });
  await expect(byHand).resolves.toMatchObject({ outcome: 'done' });
  delete agent.verbs.checkBackup;
  expect(await run.result()).toMatchObject({ outcome: 'done', label: LABEL });
});

it('gives the lock up in a run of a schedule whose repository goes away, and begins again when it is back', async () => {
  agent.place.timing.patienceMs = 300;
  let fails = true;
  agent.verbs.storeSegments = async () => {
    if (fails) throw new RstowError('repository-unavailable', 'not mounted');
    return { extentsKey: 'extents', healed: 0, warnings: [] };
  };
  agent.verbs.checkBackup = async () => {
    if (verbsOf(agent).includes('unpinWal')) fails = false;
  };
  const run = await startScheduled(60_000);
  expect(await run.result()).toMatchObject({ outcome: 'done' });
  expect(verbsOf(agent).filter((verb) => verb === 'unpinWal')).toHaveLength(2);
});

it('gives up in a run of a schedule when its time is over, though it has begun again', async () => {
  const giveUpMs = 10_000;
  agent.place.timing.patienceMs = 100;
  agent.place.timing.retryMaxMs = 300;
  let overAtMs = 0;
  agent.verbs.storeSegments = async () => {
    // Once it has begun again, it fails when the time is over, however slow the machine is.
    if (verbsOf(agent).includes('unpinWal')) await sleep(overAtMs - Date.now());
    else overAtMs = Date.now() + giveUpMs;
    throw new RstowError('repository-unavailable', 'not mounted');
  };
  const run = await startScheduled(giveUpMs);
  expect(await failureOf(run.result())).toMatchObject({ type: 'repository-unavailable' });
  expect(verbsOf(agent).filter((verb) => verb === 'unpinWal')).toHaveLength(2);
}, 60_000);
