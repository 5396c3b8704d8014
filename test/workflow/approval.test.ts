import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { ABORT_SIGNAL, APPROVE_UPDATE, DENY_UPDATE } from '../../src/contract/messages.ts';
import { PROGRESS_QUERY } from '../../src/contract/names.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { LABEL, PLANNED, PLANNED_EXPIRY } from './plausible-answers.ts';

const DAY_MS = 86_400_000;
const { planHash } = PLANNED;

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => agent.stop());

beforeEach(() => {
  agent.reset();
  wantApproval(['restore', 'undoRestore', 'disasterRecovery', 'expireBackups'], DAY_MS);
});

function wantApproval(types: string[], expiresMs: number): void {
  const approval = { for: types, expiresMs };
  agent.verbs.planRestore = async () => ({ ...PLANNED, approval });
  agent.verbs.planExpiry = async () => ({ ...PLANNED_EXPIRY, planHash, approval });
}

/** And what was done when it asks: a restore has its plan, a recovery has fetched and replayed the state besides. */
const TYPES = [
  ['restore', { backup: 'latest' }, ['planRestore', 'surveyData']],
  ['expireBackups', { apply: true }, ['planExpiry']],
  ['undoRestore', {}, ['findReplaced', 'planRestore', 'surveyData']],
  [
    'disasterRecovery',
    {},
    ['inspectLiveDatabase', 'inspectLiveDatabase', 'restartServer', 'findCandidates', 'readOwnerGeneration', 'planRestore', 'stageWal'],
  ],
] as const;

async function waiting(type: string, more: object = {}): Promise<WorkflowHandle> {
  const input = { database: DATABASE, requestedBy: 'ann', ...more };
  const run = await agent.start(type, input);
  const asked = async (): Promise<boolean> => (await run.query<{ phase: string }>(PROGRESS_QUERY)).phase === 'waiting for approval';
  await waitUntil('it waits for approval', asked);
  return run;
}

/** What has to be done where nobody agreed: a recovery clears what it fetched. */
const unapproved = (asked: readonly string[]): string[] => [...asked, ...(asked.includes('stageWal') ? ['clearStaging'] : [])];

it.each(TYPES)('a %s waits with nothing taken or swapped, for as long as the policy says', async (type, more, asked) => {
  const run = await waiting(type, more);
  await sleep(200);
  expect(verbsOf(agent)).toEqual(asked);
  const { events } = await run.fetchHistory();
  const timers = (events ?? []).map(({ timerStartedEventAttributes: timer }) => Number(timer?.startToFireTimeout?.seconds ?? 0));
  expect(timers).toContain(DAY_MS / 1000);
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  expect(await run.result()).toMatchObject({ outcome: 'done', planHash });
});

it('a restore that waits holds no lock, and a backup that is at work when it is approved gives way', async () => {
  const run = await waiting('restore', { backup: 'latest' });
  const held = holdVerb({ repository: 'local', label: LABEL, timeline: '0001', serverVersion: '0.3.0', warnings: [] });
  agent.verbs.prepareBackup = held.verb;
  const backup = await agent.start('hotBackup', { database: DATABASE });
  await held.reached;
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  expect(await failureOf(backup.result())).toMatchObject({ type: 'busy' });
  delete agent.verbs.prepareBackup;
  expect(await run.result()).toMatchObject({ outcome: 'warnings', planHash, warnings: [{ code: 'busy' }] });
});

it.each(TYPES)('a %s expires where nobody decides, and clears what it fetched', async (type, more, asked) => {
  wantApproval([type], 700);
  const failure = await failureOf(agent.execute(type, { database: DATABASE, ...more }));
  expect(failure).toMatchObject({ type: 'approval-expired', message: `approval-expired: nobody approved plan ${planHash} within 700 ms` });
  expect(verbsOf(agent)).toEqual(unapproved(asked));
});

it.each(TYPES)('a %s ends where another person denies it, with the reason', async (type, more, asked) => {
  const run = await waiting(type, more);
  expect(await run.executeUpdate(DENY_UPDATE, { args: [{ by: 'bob', reason: 'not today' }] })).toEqual({ by: 'bob', reason: 'not today' });
  expect(await failureOf(run.result())).toMatchObject({ type: 'approval-denied', message: 'approval-denied: "bob" denied it: not today' });
  expect(verbsOf(agent)).toEqual(unapproved(asked));
});

it.each([
  ['of another plan', { planHash: 'f'.repeat(64), by: 'bob' }, 'approval-denied'],
  ['by the one who asked', { planHash, by: 'ann' }, 'approval-denied'],
  ['by nobody', { planHash }, 'invalid-input'],
  ['with an unknown field', { planHash, by: 'bob', force: true }, 'invalid-input'],
])('refuses an approval %s, keeps it out of the history, and waits on', async (_what, approval, type) => {
  const run = await waiting('disasterRecovery');
  const refused = run.executeUpdate(APPROVE_UPDATE, { args: [approval] });
  await expect(refused).rejects.toMatchObject({ cause: { type } });
  const { events } = await run.fetchHistory();
  expect((events ?? []).filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toEqual([]);
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

/** What a run does between its approval and its swap, and where a person may still stop it. */
const HELD = [
  ['restore', 'stageWal', { timeline: '0002', records: 19, warnings: [] }],
  ['restore', 'rehearse', { rehearsal: 'passed', warnings: [] }],
  ['disasterRecovery', 'prepareHost', { placed: [], warnings: [] }],
] as const;

it.each(HELD)('a %s that was approved and is denied before its swap never swaps', async (type, verb, answer) => {
  const held = holdVerb(answer);
  agent.verbs[verb] = held.verb;
  const run = await waiting(type, type === 'restore' ? { backup: 'latest' } : {});
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  await held.reached;
  await run.executeUpdate(DENY_UPDATE, { args: [{ by: 'carol', reason: 'STOP, wrong database' }] });
  held.letGo();
  expect(await failureOf(run.result())).toMatchObject({
    type: 'approval-denied',
    message: 'approval-denied: "carol" denied it: STOP, wrong database',
  });
  expect(verbsOf(agent)).not.toContain('swapIn');
  expect(verbsOf(agent).at(-1)).toBe('clearStaging');
});

it('refuses a denial once the swap has begun, and says so', async () => {
  const held = holdVerb({ downtimeMs: 5 });
  agent.verbs.swapIn = held.verb;
  const run = await waiting('restore', { backup: 'latest' });
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  await held.reached;
  await expect(run.executeUpdate(DENY_UPDATE, { args: [{ by: 'carol', reason: 'STOP' }] })).rejects.toMatchObject({
    cause: { type: 'approval-denied', message: 'approval-denied: too late to deny it: the run is at "swapping the data"' },
  });
  held.letGo();
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it('refuses a second approval, and an approval or a denial after a denial', async () => {
  const held = holdVerb({ timeline: '0002', records: 19, warnings: [] });
  agent.verbs.stageWal = held.verb;
  const run = await waiting('restore', { backup: 'latest' });
  const approve = (): Promise<unknown> => run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  const deny = (): Promise<unknown> => run.executeUpdate(DENY_UPDATE, { args: [{ by: 'carol', reason: 'STOP' }] });
  await approve();
  await held.reached;
  await expect(approve()).rejects.toMatchObject({ cause: { message: expect.stringContaining('it was approved already') as string } });
  const clearing = holdVerb(undefined);
  agent.verbs.clearStaging = clearing.verb;
  await deny();
  held.letGo();
  await clearing.reached;
  for (const late of [approve, deny]) {
    const message = expect.stringContaining('it was decided already: "carol" denied it: STOP') as string;
    await expect(late()).rejects.toMatchObject({ cause: { type: 'approval-denied', message } });
  }
  clearing.letGo();
  await run.result().catch(() => undefined);
});

it('waits for nobody where the policy names another type', async () => {
  wantApproval(['restore'], DAY_MS);
  expect(await agent.execute('disasterRecovery', { database: DATABASE })).toMatchObject({ outcome: 'done' });
});

it.each([
  ['is aborted', (run: WorkflowHandle) => run.signal(ABORT_SIGNAL), 'FAILED'],
  ['is cancelled', (run: WorkflowHandle) => run.cancel(), 'CANCELLED'],
])('clears what it fetched when it %s while it waits', async (_how, end, status) => {
  const run = await waiting('disasterRecovery');
  await end(run);
  await run.result().catch(() => undefined);
  expect(await statusOf(run)).toBe(status);
  expect(verbsOf(agent).at(-1)).toBe('clearStaging');
  expect(verbsOf(agent)).not.toContain('takeOwnership');
});
