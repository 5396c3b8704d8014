/** Runs that replace data, at an agent whose config names operators. */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { Agreement } from '../../src/activities/authority/authority.ts';
import { APPROVE_UPDATE, DENY_UPDATE } from '../../src/contract/messages.ts';
import { PROGRESS_QUERY } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { PLANNED, REQUEST_HASH } from './plausible-answers.ts';

const { planHash } = PLANNED;
const UNSIGNED: Agreement = { operatorsNeeded: 1, operators: [], requestHash: REQUEST_HASH, refusal: null };

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => agent.stop());
beforeEach(() => {
  agent.reset();
  signedBy([], 1);
});

/** As an agent does: what was signed once stays so. */
function signedBy(operators: string[], operatorsNeeded: number): void {
  agent.verbs.checkStart = async () => ({ ...UNSIGNED, operatorsNeeded, operators });
  agent.verbs.checkApproval = async ({ approval }) => {
    operators.push(approval.by);
    return { ...UNSIGNED, operatorsNeeded, operators };
  };
}

/** And the hash that is to be approved, and what was done when it asks: a recovery holds no lock, and has fetched nothing. */
const TYPES = [
  ['restore', { backup: 'latest' }, { hash: planHash, asked: ['planRestore', 'surveyData'] }],
  ['disasterRecovery', {}, { hash: REQUEST_HASH, asked: ['inspectLiveDatabase'] }],
] as const;

async function waiting(type: string, more: object): Promise<{ run: WorkflowHandle; waitsFor: string }> {
  const run = await agent.start(type, { database: DATABASE, ...more });
  const progress = (): Promise<Progress> => run.query<Progress>(PROGRESS_QUERY);
  await waitUntil('it waits for approval', async () => (await progress()).phase === 'waiting for approval');
  return { run, waitsFor: (await progress()).waitsFor ?? '' };
}

it.each(TYPES)('a %s that nobody signed waits with nothing touched, and names the command', async (type, more, { hash, asked }) => {
  const { run, waitsFor } = await waiting(type, more);
  expect(waitsFor).toContain(`signed \`rstow approve ${run.workflowId} --plan ${hash}\``);
  expect(verbsOf(agent)).toEqual(asked);
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash: hash, by: 'ann' }] });
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it.each(TYPES)('a %s that an operator signed waits for nobody', async (type, more) => {
  signedBy(['ann'], 1);
  expect(await agent.execute(type, { database: DATABASE, ...more })).toMatchObject({ outcome: 'done' });
});

it('says why the signature of its start does not count', async () => {
  agent.verbs.checkStart = async () => ({ ...UNSIGNED, refusal: 'the signature does not count: it was made 700 s ago' });
  const { waitsFor } = await waiting('restore', { backup: 'latest' });
  expect(waitsFor).toContain('it was made 700 s ago');
});

it('refuses an approval whose signature does not count, with the agent’s own sentence, and waits on', async () => {
  agent.verbs.checkApproval = async () =>
    Promise.reject(new RstowError('signature-refused', 'the signature does not count: it was made 700 s ago'));
  const { run } = await waiting('restore', { backup: 'latest' });
  const refused = run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'ann' }] });
  await expect(refused).rejects.toMatchObject({
    cause: { type: 'signature-refused', message: 'signature-refused: the signature does not count: it was made 700 s ago' },
  });
  expect(verbsOf(agent)).not.toContain('swapIn');
  signedBy([], 1);
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'ann' }] });
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it('waits for two operators where the policy wants another person', async () => {
  signedBy([], 2);
  const { run } = await waiting('restore', { backup: 'latest' });
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'ann' }] });
  expect((await run.query<Progress>(PROGRESS_QUERY)).phase).toBe('waiting for approval');
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by: 'bob' }] });
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it('counts both of two approvals whose answers know nothing of each other', async () => {
  signedBy([], 2);
  agent.verbs.checkApproval = async ({ approval }) => ({ ...UNSIGNED, operatorsNeeded: 2, operators: [approval.by] });
  const { run } = await waiting('restore', { backup: 'latest' });
  await Promise.all(['ann', 'bob'].map((by) => run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash, by }] })));
  expect(await run.result()).toMatchObject({ outcome: 'done' });
});

it('ends a recovery that nobody signed where anybody denies it, with the lock never taken', async () => {
  const { run } = await waiting('disasterRecovery', {});
  await run.executeUpdate(DENY_UPDATE, { args: [{ by: 'bob', reason: 'the host is fine' }] });
  expect(await failureOf(run.result())).toMatchObject({
    type: 'approval-denied',
    message: 'approval-denied: "bob" denied it: the host is fine',
  });
  expect(verbsOf(agent)).toEqual(['inspectLiveDatabase']);
});
