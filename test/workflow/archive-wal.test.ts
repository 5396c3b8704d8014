import { CancelledFailure, Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, beforeEach, expect, inject, it, onTestFinished } from 'vitest';
import { ARCHIVE_NOW_UPDATE, PAUSE_UPDATE, RESUME_UPDATE, SET_BANDWIDTH_UPDATE, WANTED_QUERY } from '../../src/contract/messages.ts';
import { PROGRESS_QUERY } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { waitUntil } from '../support/wait-until.ts';
import { DATABASE, type FakeAgent, startFakeAgent } from './fake-agent.ts';
import { statusOf } from './failures.ts';
import { ARCHIVED } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

/** A step that follows until it is cancelled, as the real one does. */
async function followed(): Promise<never> {
  return Context.current().cancelled;
}

async function startArchive(input: Record<string, unknown> = {}): Promise<WorkflowHandle> {
  const { workflowId } = await agent.start('archiveWal', { database: DATABASE, ...input });
  onTestFinished(async () => {
    await agent.client.workflow.getHandle(workflowId).terminate('the test is over');
  });
  return agent.client.workflow.getHandle(workflowId);
}

const inputsOf = (wanted: string): Record<string, unknown>[] => agent.calls.filter(({ verb }) => verb === wanted).map(({ input }) => input);
const phaseOf = async (run: WorkflowHandle): Promise<string> => (await run.query<Progress>(PROGRESS_QUERY)).phase;

async function untilFollowing(times: number): Promise<void> {
  await waitUntil(`the log is followed for the ${times}th time`, () => inputsOf('followLog').length === times);
}

it('follows the log, stands still while it is paused, and goes on as it is wanted', async () => {
  agent.verbs.followLog = followed;
  const run = await startArchive({ bytesPerSecond: 5_000 });
  await untilFollowing(1);
  await run.executeUpdate(PAUSE_UPDATE, { args: [{ by: 'ann' }] });
  await waitUntil('it is paused', async () => (await phaseOf(run)) === 'paused');
  await run.executeUpdate(SET_BANDWIDTH_UPDATE, { args: [{ bytesPerSecond: 9_000 }] });
  expect(inputsOf('followLog')).toHaveLength(1);
  expect(await run.query(WANTED_QUERY)).toEqual({ pausedBy: 'ann', bytesPerSecond: 9_000 });
  await run.executeUpdate(RESUME_UPDATE);
  await untilFollowing(2);
  expect(inputsOf('followLog').map(({ bytesPerSecond }) => bytesPerSecond)).toEqual([5_000, 9_000]);
});

it('answers how far the log is stored, whether it follows or is paused', async () => {
  agent.verbs.followLog = followed;
  const run = await startArchive();
  await untilFollowing(1);
  expect(await run.executeUpdate(ARCHIVE_NOW_UPDATE)).toEqual(ARCHIVED);
  await untilFollowing(2);
  await run.executeUpdate(PAUSE_UPDATE, { args: [{ by: 'ann' }] });
  expect(await run.executeUpdate(ARCHIVE_NOW_UPDATE)).toEqual(ARCHIVED);
  expect(inputsOf('archiveOnce')).toHaveLength(2);
});

it('says why it can’t answer, and goes on following', async () => {
  agent.verbs.followLog = followed;
  agent.verbs.archiveOnce = async () => Promise.reject(new RstowError('owner-outdated', 'another host owns it'));
  const run = await startArchive();
  await untilFollowing(1);
  await expect(run.executeUpdate(ARCHIVE_NOW_UPDATE)).rejects.toMatchObject({ cause: { type: 'owner-outdated' } });
  await untilFollowing(2);
});

it('refuses what it is asked wrongly', async () => {
  agent.verbs.followLog = followed;
  const run = await startArchive();
  await expect(run.executeUpdate(PAUSE_UPDATE, { args: [{}] })).rejects.toMatchObject({ cause: { type: 'invalid-input' } });
  const tooSlow = run.executeUpdate(SET_BANDWIDTH_UPDATE, { args: [{ bytesPerSecond: 3 }] });
  await expect(tooSlow).rejects.toMatchObject({ cause: { type: 'invalid-input' } });
});

it('says what keeps it from following, and is tried again', async () => {
  let failures = 0;
  agent.verbs.followLog = async () => {
    failures += 1;
    return failures === 1 ? Promise.reject(new RstowError('timeline-diverged', 'other bytes')) : followed();
  };
  const run = await startArchive();
  await waitUntil('it waits', async () => (await phaseOf(run)) === 'waiting to follow the log');
  expect((await run.query<Progress>(PROGRESS_QUERY)).waitsFor).toContain('timeline-diverged: other bytes');
  await untilFollowing(2);
});

it('begins again, as it is wanted, before its history is long', async () => {
  const turns = 45;
  agent.verbs.followLog = async () => (inputsOf('followLog').length < turns ? ARCHIVED : followed());
  const run = await startArchive({ bytesPerSecond: 5_000 });
  const { runId } = await run.describe();
  await waitUntil('it has had many turns', () => inputsOf('followLog').length >= turns);
  const now = await run.describe();
  expect(now.runId).not.toBe(runId);
  expect(now.historyLength).toBeLessThan(600);
  expect(inputsOf('followLog').at(-1)).toMatchObject({ bytesPerSecond: 5_000 });
});

it('answers who has asked during the last look of a long history, before it begins again', async () => {
  const { promise: stored, resolve: goOn } = Promise.withResolvers<undefined>();
  agent.verbs.followLog = followed;
  agent.verbs.archiveOnce = async () => {
    await stored;
    return ARCHIVED;
  };
  const run = await startArchive();
  const { runId } = await run.describe();
  await untilFollowing(1);
  const first = run.executeUpdate(ARCHIVE_NOW_UPDATE);
  await waitUntil('it looks', () => inputsOf('archiveOnce').length === 1);
  const setBandwidth = async (): Promise<unknown> => run.executeUpdate(SET_BANDWIDTH_UPDATE, { args: [{ bytesPerSecond: 9_000 }] });
  while ((await run.describe()).historyLength <= 510) await Promise.all(Array.from({ length: 8 }, setBandwidth));
  const second = await run.startUpdate(ARCHIVE_NOW_UPDATE, { waitForStage: 'ACCEPTED' });
  goOn(undefined);
  expect(await Promise.all([first, second.result()])).toEqual([ARCHIVED, ARCHIVED]);
  await waitUntil('it has begun again', async () => (await run.describe()).runId !== runId);
});

it('ends when it is cancelled, and what it does ends with it', async () => {
  const ended: unknown[] = [];
  agent.verbs.followLog = async () => {
    try {
      return await followed();
    } catch (error) {
      ended.push(error);
      throw error;
    }
  };
  const { workflowId } = await agent.start('archiveWal', { database: DATABASE });
  const run = agent.client.workflow.getHandle(workflowId);
  await untilFollowing(1);
  await run.cancel();
  await expect(run.result()).rejects.toThrow();
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(ended[0]).toBeInstanceOf(CancelledFailure);
});
