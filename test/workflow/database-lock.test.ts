import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it, onTestFinished } from 'vitest';
import { lockWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { resetRun } from '../support/reset-run.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const lock = (): WorkflowHandle => agent.client.workflow.getHandle(lockWorkflowId(DATABASE));

/** A backup that has the lock and waits in its first step. */
async function startHolder(): Promise<{ run: WorkflowHandle; letGo: () => void }> {
  const held = holdVerb({ repository: 'local', label: 'held', timeline: '0001', serverVersion: '0.3.0', warnings: [] });
  agent.verbs.prepareBackup = held.verb;
  const run = await agent.start('hotBackup', { database: DATABASE });
  await held.reached;
  delete agent.verbs.prepareBackup;
  onTestFinished(async () => {
    held.letGo();
    await run.result().catch(() => undefined);
  });
  return { run, letGo: held.letGo };
}

/** A restore that has the lock and waits in its first step under it. */
async function startRestore(): Promise<WorkflowHandle> {
  const held = holdVerb({ timeline: '0002', records: 19, warnings: [] });
  agent.verbs.stageWal = held.verb;
  const run = await agent.start('restore', { database: DATABASE, backup: 'latest' });
  await held.reached;
  onTestFinished(async () => {
    held.letGo();
    await run.result().catch(() => undefined);
  });
  return run;
}

const inputOf = (type: string): object => ({ database: DATABASE, ...(type === 'restore' ? { backup: 'latest' } : {}) });

it('refuses a backup while another one holds the lock, naming it', async () => {
  const { run } = await startHolder();
  const before = verbsOf(agent);
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure.type).toBe('busy');
  expect(failure.message).toMatch(/^busy: database "orders" is in use by hotBackup /);
  expect(failure.message).toContain(`${run.workflowId} since 2`);
  expect(failure.details).toMatchObject([{ holder: run.workflowId }]);
  expect(verbsOf(agent)).toEqual([...before, 'checkBackup']);
});

it.each(['restore', 'disasterRecovery', 'hotBackup'])('refuses a %s while a restore holds the lock, naming it', async (type) => {
  const run = await startRestore();
  const failure = await failureOf(agent.execute(type, inputOf(type)));
  expect(failure).toMatchObject({ type: 'busy', details: [{ holder: run.workflowId }] });
});

it.each(['restore', 'disasterRecovery'])('makes a backup give way to a %s, cleanly, and both say so', async (type) => {
  const { run } = await startHolder();
  agent.verbs.storeSegments = holdVerb(undefined).verb;
  const needed = await agent.start(type, inputOf(type));
  const failure = await failureOf(run.result());
  expect(failure).toMatchObject({ type: 'busy', message: expect.stringContaining(`gave way to ${type} ${needed.workflowId}`) as string });
  agent.verbs = {};
  const result = (await needed.result()) as { outcome: string; warnings: object[] };
  expect(result.outcome).toBe('warnings');
  expect(result.warnings).toEqual([{ code: 'busy', message: expect.stringContaining(run.workflowId) as string }]);
  expect(verbsOf(agent)).not.toContain('endBackup');
});

it('ends a backup that does not give way, such as one whose agent died, after a bounded wait', async () => {
  const gate = Promise.withResolvers<never>();
  onTestFinished(() => gate.reject(new Error('nobody waits any more')));
  agent.verbs.prepareBackup = () => gate.promise;
  const run = await agent.start('hotBackup', { database: DATABASE });
  await expect.poll(() => verbsOf(agent)).toEqual(['checkBackup', 'prepareBackup']);
  delete agent.verbs.prepareBackup;
  agent.verbs.endBackup = async ({ backup, reason }) => {
    await agent.client.workflow.getHandle(backup.workflowId, backup.runId).terminate(reason);
  };
  expect(await agent.execute('restore', { database: DATABASE, backup: 'latest' })).toMatchObject({ outcome: 'warnings' });
  expect(await statusOf(run)).toBe('TERMINATED');
});

it('takes no lock to restore elsewhere, verify, list or describe', async () => {
  await startHolder();
  const to = { dataDir: '/elsewhere' };
  expect(await agent.execute('restore', { database: DATABASE, backup: 'latest', to })).toMatchObject({ outcome: 'done' });
  for (const type of ['verifyBackup', 'listBackups', 'describeDatabase', 'checkDatabase']) {
    expect(await agent.execute(type, { database: DATABASE })).toMatchObject({ outcome: 'done' });
  }
});

it('lets the next run in after the holder has ended', async () => {
  const { run, letGo } = await startHolder();
  letGo();
  await run.result();
  expect(await agent.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
});

it('frees the lock when the holder is terminated', async () => {
  const { run } = await startHolder();
  await run.terminate('by an operator');
  await expect.poll(() => statusOf(lock())).toBe('TERMINATED');
  expect(await agent.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
});

it('frees the lock when the holder is cancelled', async () => {
  const { run } = await startHolder();
  await run.cancel();
  await run.result().catch(() => undefined);
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(await agent.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
});

it('stays with a holder that is reset in mid-way, and is free when that has ended', async () => {
  const { run, letGo } = await startHolder();
  const held = holdVerb({ fenceKey: 'fence', pin: 'links', segments: 1, sizeBytes: 1 });
  agent.verbs.pinWal = held.verb;
  letGo();
  await held.reached;
  const goesOn = await resetRun(agent.client, run);
  await expect.poll(() => verbsOf(agent).filter((verb) => verb === 'pinWal')).toHaveLength(2);
  expect(await failureOf(agent.execute('hotBackup', { database: DATABASE }))).toMatchObject({ type: 'busy' });
  held.letGo();
  expect(await goesOn.result()).toMatchObject({ outcome: 'done' });
  expect(await agent.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
});

it('is taken once more by a holder that is reset to its beginning', async () => {
  const { run } = await startHolder();
  const goesOn = await resetRun(agent.client, run, 'first');
  expect(await goesOn.result()).toMatchObject({ outcome: 'done' });
  await expect.poll(() => statusOf(lock())).not.toBe('RUNNING');
});

it('goes on when an operator ends the lock under it', async () => {
  const { run, letGo } = await startHolder();
  await lock().terminate('by an operator');
  letGo();
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it('ends an orphan whose holder is gone, and takes the lock', async () => {
  const memo = { holder: 'rstow/orders/hotBackup/gone', runId: randomUUID(), type: 'hotBackup', sinceMs: 1 };
  const orphan = await agent.client.workflow.start('lockDatabase', {
    taskQueue: WORKFLOW_QUEUE,
    workflowId: lockWorkflowId(DATABASE),
    memo,
  });
  expect(await agent.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
  expect(await statusOf(agent.client.workflow.getHandle(orphan.workflowId, orphan.firstExecutionRunId))).toBe('TERMINATED');
});

it('skips a run that a schedule starts while the lock is held', async () => {
  const { run } = await startHolder();
  const scheduleId = `rstow-${DATABASE}-hotBackup`;
  const schedule = await agent.client.schedule.create({
    scheduleId,
    spec: {},
    action: { type: 'startWorkflow', workflowType: 'hotBackup', taskQueue: WORKFLOW_QUEUE, args: [{ database: DATABASE }] },
  });
  onTestFinished(() => schedule.delete());
  await schedule.trigger();
  await expect.poll(async () => (await schedule.describe()).info.recentActions, { timeout: 10_000 }).toHaveLength(1);
  const [recent] = (await schedule.describe()).info.recentActions;
  const result: unknown = await agent.client.workflow.getHandle(recent!.action.workflow.workflowId).result();
  expect(result).toMatchObject({ outcome: 'skipped', database: DATABASE, warnings: [{ code: 'busy' }] });
  expect(JSON.stringify(result)).toContain(run.workflowId);
});

it('is busy while somebody holds the lock by hand, naming the lock itself', async () => {
  const byHand = { taskQueue: WORKFLOW_QUEUE, workflowId: lockWorkflowId(DATABASE) };
  const held = await agent.client.workflow.start('lockDatabase', byHand);
  onTestFinished(() => held.terminate().then(() => undefined));
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'busy', message: expect.stringContaining(`lockDatabase ${lockWorkflowId(DATABASE)}`) as string });
});
