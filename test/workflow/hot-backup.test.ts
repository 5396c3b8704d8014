import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { GIVE_UP_MEMO, lockWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { BACKED_UP, DIGEST, DIGESTED, LABEL } from './plausible-verbs.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

it('pins, stores, digests, writes the manifest last, and unpins', async () => {
  const run = await agent.start('hotBackup', { database: DATABASE });
  const result = (await run.result()) as HotBackupResult;
  expect(result).toMatchObject({ outcome: 'done', database: DATABASE, label: LABEL, stateDigest: DIGEST, warnings: [] });
  expect(result.runId).toBe(run.firstExecutionRunId);
  expect(verbsOf(agent)).toEqual(['checkBackup', ...BACKED_UP]);
  expect(await statusOf(agent.client.workflow.getHandle(lockWorkflowId(DATABASE)))).toBe('COMPLETED');
});

it('ends with warnings where the log is not whole, and then keeps the snapshots', async () => {
  agent.verbs.storeSegments = async () => ({ extentsKey: 'extents', healed: 0, warnings: [{ code: 'torn-tail', message: 'left out' }] });
  const gap = { code: 'wal-gap', message: 'lacks segment 1' };
  agent.verbs.digestState = async () => ({ ...DIGESTED, restorable: 'no', warnings: [gap] });
  const result = await agent.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(result.outcome).toBe('warnings');
  expect(result.warnings.map(({ code }) => code)).toEqual(['torn-tail', 'wal-gap']);
  expect(agent.calls.find(({ verb }) => verb === 'storeAttachments')?.input).toMatchObject({ withSnapshots: true });
  expect(agent.calls.find(({ verb }) => verb === 'writeManifest')?.input).toMatchObject({ warnings: result.warnings });
});

it.each(BACKED_UP.slice(1, -1))('unpins when %s fails, and fails with its sentence', async (verb) => {
  const fail = async (): Promise<never> =>
    Promise.reject(new RstowError('source-damaged', 'byte 7 is no record', { details: { byte: 7 } }));
  agent.verbs = { [verb]: fail };
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'source-damaged', message: 'source-damaged: byte 7 is no record', details: [{ byte: 7 }] });
  expect(verbsOf(agent)).toEqual(['checkBackup', ...BACKED_UP.slice(0, BACKED_UP.indexOf(verb) + 1), 'unpinWal']);
});

it('unpins nothing when the pre-check refuses, for nothing was pinned', async () => {
  agent.verbs.prepareBackup = async () => Promise.reject(new RstowError('owner-outdated', 'another owns it'));
  expect(await failureOf(agent.execute('hotBackup', { database: DATABASE }))).toMatchObject({ type: 'owner-outdated' });
  expect(verbsOf(agent)).toEqual(['checkBackup', 'prepareBackup']);
});

it('unpins when it is cancelled, and ends as cancelled', async () => {
  const held = holdVerb(undefined);
  agent.verbs.storeSegments = held.verb;
  const run = await agent.start('hotBackup', { database: DATABASE });
  await held.reached;
  await run.cancel();
  await expect(run.result()).rejects.toBeInstanceOf(WorkflowFailedError);
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(verbsOf(agent).at(-1)).toBe('unpinWal');
});

it('holds the lock until a cancelled run has cleaned up', async () => {
  const [stored, unpinned] = [holdVerb(undefined), holdVerb(undefined)];
  agent.verbs = { storeSegments: stored.verb, unpinWal: unpinned.verb };
  const run = await agent.start('hotBackup', { database: DATABASE });
  await stored.reached;
  await run.cancel();
  await unpinned.reached;
  await sleep(500);
  const lock = agent.client.workflow.getHandle(lockWorkflowId(DATABASE));
  expect(await statusOf(lock)).toBe('RUNNING');
  unpinned.letGo();
  await expect(run.result()).rejects.toBeInstanceOf(WorkflowFailedError);
  expect(await statusOf(lock)).toBe('COMPLETED');
});

it('names the wanted repository only where one is wanted', async () => {
  await agent.execute('hotBackup', { database: DATABASE, repository: 'offsite', reason: null });
  expect(agent.calls.find(({ verb }) => verb === 'prepareBackup')?.input).toMatchObject({ repository: 'offsite' });
});

it('has the mark’s name checked before and under the lock, and gives it to the manifest’s step', async () => {
  const result = await agent.execute<HotBackupResult>('hotBackup', { database: DATABASE, mark: 'before-release' });
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, mark: 'before-release' });
  for (const verb of ['checkBackup', 'prepareBackup', 'writeManifest']) {
    expect(agent.calls.find((call) => call.verb === verb)?.input, verb).toMatchObject({ mark: 'before-release' });
  }
});

it('begins nothing if the mark is another run’s', async () => {
  agent.verbs.checkBackup = async () => Promise.reject(new RstowError('mark-taken', 'the mark is there already'));
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE, mark: 'before-release' }));
  expect(failure).toMatchObject({ type: 'mark-taken', message: 'mark-taken: the mark is there already' });
  expect(verbsOf(agent)).toEqual(['checkBackup']);
});

it('tries a retryable failure again', async () => {
  let attempts = 0;
  agent.verbs.pinWal = async () => {
    attempts += 1;
    if (attempts < 3) throw new RstowError('repository-unavailable', 'not mounted');
    return { fenceKey: 'fence', pin: 'descriptors', segments: 1, sizeBytes: 1 };
  };
  expect(await agent.execute('hotBackup', { database: DATABASE })).toMatchObject({ outcome: 'done' });
  expect(attempts).toBe(3);
});

it('tells what still fails after the bound as the step’s own sentence', async () => {
  agent.place.timing.patienceMs = 1000;
  agent.verbs.pinWal = async () => Promise.reject(new RstowError('repository-unavailable', 'not mounted'));
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'repository-unavailable', message: 'repository-unavailable: not mounted' });
});

it('calls an agent that takes a step and never finishes it unreachable', async () => {
  agent.place.timing.stepGiveUpMs = 3000;
  agent.verbs.pinWal = holdVerb(undefined).verb;
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'agent-unreachable', message: 'agent-unreachable: no agent finished the step pinWal in time' });
  expect(verbsOf(agent).at(-1)).toBe('unpinWal');
});

it.each([
  ['nothing as a place', { locateDatabase: async () => null as never }],
  ['nothing as the prepared backup', { prepareBackup: async () => null as never }],
  ['stored segments without warnings', { storeSegments: async () => ({ extentsKey: 'k' }) as never }],
])('ends as a bug, and does not hang, when a step answers %s', async (_what, verbs) => {
  agent.verbs = verbs;
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure.type).toBe('bug');
  expect(failure.message).toMatch(/^bug: /);
});

const away = async (): Promise<never> => Promise.reject(new RstowError('server-unreachable', 'nobody listens'));

it('tells a person soon, and with the server’s own reason, that no backup is possible, and has taken no lock', async () => {
  agent.place.timing.patienceMs = 500;
  agent.verbs.checkBackup = away;
  const failure = await failureOf(agent.execute('hotBackup', { database: DATABASE }));
  expect(failure).toMatchObject({ type: 'server-unreachable', message: 'server-unreachable: nobody listens' });
  expect(failure.details?.[0]).toMatchObject({ hint: expect.stringContaining('server') as string });
  const lock = agent.client.workflow.getHandle(lockWorkflowId(DATABASE));
  expect(verbsOf(agent)).not.toContain('prepareBackup');
  expect((await lock.describe().catch(() => undefined))?.status.name).not.toBe('RUNNING');
});

/** As a schedule starts it. */
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
  agent.verbs.checkBackup = away;
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

it('gives up in a run of a schedule when its time is over, however often it has begun again', async () => {
  agent.place.timing.patienceMs = 100;
  agent.place.timing.retryMaxMs = 300;
  agent.verbs.storeSegments = async () => Promise.reject(new RstowError('repository-unavailable', 'not mounted'));
  const run = await startScheduled(3_000);
  expect(await failureOf(run.result())).toMatchObject({ type: 'repository-unavailable' });
  expect(verbsOf(agent).filter((verb) => verb === 'unpinWal').length).toBeGreaterThan(1);
}, 30_000);

it('refuses to run under the id of a lock, for it would wait for itself', async () => {
  const workflowId = lockWorkflowId(DATABASE);
  const run = agent.client.workflow.execute('hotBackup', { taskQueue: WORKFLOW_QUEUE, workflowId, args: [{ database: DATABASE }] });
  expect(await failureOf(run)).toMatchObject({ type: 'invalid-input', message: expect.stringContaining(workflowId) as string });
});
