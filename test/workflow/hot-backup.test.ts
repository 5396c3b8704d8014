import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { lockWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { BACKED_UP, DIGEST, DIGESTED, LABEL } from './plausible-answers.ts';

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

it('begins the log anew where no server can start from it, and unpins both histories', async () => {
  let restorable: 'no' | 'from-baseline' = 'no';
  agent.verbs.digestState = async () => ({ ...DIGESTED, restorable });
  agent.verbs.rescueLog = async () => {
    restorable = 'from-baseline';
    return { timeline: '0002', warnings: [{ code: 'log-rescued', message: 'it begins with what the server shows' }] };
  };
  const result = await agent.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(result.warnings.map(({ code }) => code)).toEqual(['log-rescued']);
  const steps = BACKED_UP.slice(1, 4);
  expect(verbsOf(agent)).toEqual(['checkBackup', 'prepareBackup', ...steps, 'rescueLog', ...steps, ...BACKED_UP.slice(4), 'unpinWal']);
  const inputsOf = (wanted: string): unknown[] => agent.calls.filter(({ verb }) => verb === wanted).map(({ input }) => input);
  expect(inputsOf('writeManifest')).toMatchObject([{ timeline: '0002', warnings: result.warnings }]);
  expect(inputsOf('storeAttachments')).toMatchObject([{ withSnapshots: true }]);
  expect(inputsOf('unpinWal')).toMatchObject([{ timeline: '0002' }, { timeline: '0001' }]);
});

it('keeps what there is of the log where the server can’t be read in its place', async () => {
  agent.verbs.digestState = async () => ({ ...DIGESTED, restorable: 'no' });
  agent.verbs.rescueLog = async () => Promise.reject(new RstowError('not-enough-space', 'the disk is full'));
  const result = await agent.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(result.warnings).toMatchObject([{ code: 'not-enough-space', message: expect.stringContaining('the disk is full') as string }]);
  expect(agent.calls.find(({ verb }) => verb === 'writeManifest')?.input).toMatchObject({ timeline: '0001' });
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
it('refuses to run under the id of a lock, for it would wait for itself', async () => {
  const workflowId = lockWorkflowId(DATABASE);
  const run = agent.client.workflow.execute('hotBackup', { taskQueue: WORKFLOW_QUEUE, workflowId, args: [{ database: DATABASE }] });
  expect(await failureOf(run)).toMatchObject({ type: 'invalid-input', message: expect.stringContaining(workflowId) as string });
});
