import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { APPROVE_UPDATE, DENY_UPDATE } from '../../src/contract/messages.ts';
import { lockWorkflowId, PROGRESS_QUERY, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { PLANNED_INSTANCE } from './plausible-answers.ts';

const input = { database: DATABASE, instance: 'o-17', target: { before: { instance: 'o-17', record: 'delete' } } };
const { planHash } = PLANNED_INSTANCE;

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => agent.stop());
beforeEach(() => agent.reset());

const progressOf = (run: WorkflowHandle): Promise<Progress> => run.query<Progress>(PROGRESS_QUERY);

async function waiting(phase: string): Promise<WorkflowHandle> {
  const run = await agent.start('recoverInstance', { ...input, requestedBy: 'ann' });
  await waitUntil(`it is at: ${phase}`, async () => (await progressOf(run)).phase === phase);
  return run;
}

it('plans, and then brings the instance back', async () => {
  expect(await agent.execute('recoverInstance', input)).toMatchObject({ outcome: 'done', instance: 'o-17', state: 'paid', events: 2 });
  expect(verbsOf(agent)).toEqual(['planInstance', 'applyInstance']);
});

it.each([
  ['in a dry run', { dryRun: true, isThere: false }, 'done'],
  ['if the server has it just so', { dryRun: false, isThere: true }, 'not-needed'],
])('applies nothing %s', async (_when, { dryRun, isThere }, outcome) => {
  agent.verbs.planInstance = async () => ({ ...PLANNED_INSTANCE, isThere });
  expect(await agent.execute('recoverInstance', { ...input, dryRun })).toMatchObject({ outcome, dryRun });
  expect(verbsOf(agent)).toEqual(['planInstance']);
});

it('waits for an approval where the policy wants one, says what it would do, and ends with a denial', async () => {
  agent.verbs.planInstance = async () => ({ ...PLANNED_INSTANCE, approval: { for: ['recoverInstance'], expiresMs: 86_400_000 } });
  const denied = await waiting('waiting for approval');
  expect((await progressOf(denied)).waitsFor).toMatch(
    /--plan [0-9a-f]{64}`.*it creates instance "o-17" of order\/1 and applies 2 events, up to state "paid"$/,
  );
  await denied.executeUpdate(DENY_UPDATE, { args: [{ by: 'bob', reason: 'it was deleted for good' }] });
  expect(await failureOf(denied.result())).toMatchObject({ type: 'approval-denied' });
  expect(verbsOf(agent)).toEqual(['planInstance']);
  const approved = await waiting('waiting for approval');
  await approved.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  expect(await approved.result()).toMatchObject({ outcome: 'done', planHash });
});

it('waits for another run to let go of the database', async () => {
  const byHand = { taskQueue: WORKFLOW_QUEUE, workflowId: lockWorkflowId(DATABASE) };
  const holder = await agent.client.workflow.start('lockDatabase', byHand);
  const run = await waiting('waiting for the database’s lock');
  expect(verbsOf(agent)).not.toContain('applyInstance');
  await holder.signal('release');
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it('comes to its end if it is cancelled while events are applied', async () => {
  const held = holdVerb({ lastOffset: '1099511629000', warnings: [] });
  agent.verbs.applyInstance = held.verb;
  const run = await agent.start('recoverInstance', input);
  await held.reached;
  await run.cancel();
  held.letGo();
  expect(await run.result()).toMatchObject({ outcome: 'done' });
  expect(await statusOf(run)).toBe('COMPLETED');
});
