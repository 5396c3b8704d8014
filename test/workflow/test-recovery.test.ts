import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import type { ErrorCode } from '../../src/core/errors/error-table.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { DIGEST, LABEL } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const input = { database: DATABASE };
const TESTED = ['chooseTestPoint', 'stageTest', 'testServer'];

const failing =
  (code: ErrorCode, sentence = 'as planted') =>
  async (): Promise<never> =>
    Promise.reject(new RstowError(code, sentence));

const factOf = (): unknown => agent.calls.find(({ verb }) => verb === 'recordTest')?.input['fact'];

it('fetches, tests, remembers that it held, and clears', async () => {
  const result = await agent.execute<TestRecoveryResult>('testRecovery', input);
  expect(result).toMatchObject({ outcome: 'done', label: LABEL, stateDigest: DIGEST, rtoMs: 90, phases: { restartsMs: 90 } });
  expect(result.seed).toBeUndefined();
  expect(verbsOf(agent)).toEqual([...TESTED, 'recordTest', 'clearTest']);
  expect(factOf()).toMatchObject({ label: LABEL, held: true, agent: 'db1', rtoMs: 90, end: result.extents.end });
});

it('tells and remembers the seed of a random point', async () => {
  agent.verbs.chooseTestPoint = async () => ({
    label: LABEL,
    repository: 'local',
    warnings: [],
    position: { segment: 1, positionBytes: 9 } as never,
  });
  expect(await agent.execute<TestRecoveryResult>('testRecovery', { ...input, backup: 'random', seed: 7 })).toMatchObject({ seed: 7 });
  expect(factOf()).toMatchObject({ held: true, seed: 7 });
});

it.each([
  ['stageTest', 'missing-object'],
  ['stageTest', 'truncated-object'],
  ['stageTest', 'not-enough-memory'],
  ['stageTest', 'port-taken'],
  ['testServer', 'service-start-failed'],
  ['testServer', 'assertion-failed'],
] as const)('remembers and clears when %s fails with %s', async (verb, code) => {
  agent.verbs = { [verb]: failing(code) };
  expect(await failureOf(agent.execute('testRecovery', input))).toMatchObject({ type: code, message: `${code}: as planted` });
  expect(verbsOf(agent)).toEqual([...TESTED.slice(0, TESTED.indexOf(verb) + 1), 'recordTest', 'clearTest']);
  expect(factOf()).toMatchObject({ label: LABEL, held: false, failure: { code, sentence: `${code}: as planted` } });
});

it.each([
  ['stageTest', 'server-program-missing'],
  ['testServer', 'comparison-unfinished'],
] as const)('remembers nothing when %s fails with %s, which says nothing of the backup', async (verb, code) => {
  agent.verbs = { [verb]: failing(code) };
  expect(await failureOf(agent.execute('testRecovery', input))).toMatchObject({ type: code });
  expect(verbsOf(agent)).toEqual([...TESTED.slice(0, TESTED.indexOf(verb) + 1), 'clearTest']);
});

it('clears and tells the test’s own failure where that can’t be remembered', async () => {
  agent.verbs = { testServer: failing('assertion-failed'), recordTest: failing('format-unsupported') };
  expect(await failureOf(agent.execute('testRecovery', input))).toMatchObject({ type: 'assertion-failed' });
  expect(verbsOf(agent)).toEqual([...TESTED, 'recordTest', 'clearTest']);
});

it('says how the test ended where its place can’t be cleared', async () => {
  agent.verbs = { clearTest: failing('service-stop-failed') };
  expect(await agent.execute<TestRecoveryResult>('testRecovery', input)).toMatchObject({ outcome: 'done' });
  agent.verbs = { clearTest: failing('service-stop-failed'), testServer: failing('digest-different') };
  expect(await failureOf(agent.execute('testRecovery', input))).toMatchObject({ type: 'digest-different' });
});

it.each(['stageTest', 'testServer'] as const)('clears when it is cancelled in %s, and remembers nothing', async (verb) => {
  const held = holdVerb(undefined);
  agent.verbs[verb] = held.verb;
  const run = await agent.start('testRecovery', input);
  await held.reached;
  await run.cancel();
  await run.result().catch(() => undefined);
  expect(await statusOf(run)).toBe('CANCELLED');
  expect(verbsOf(agent)).toEqual([...TESTED.slice(0, TESTED.indexOf(verb) + 1), 'clearTest']);
});

it('tests again where a step was cut off, and clears and remembers once', async () => {
  let attempts = 0;
  agent.verbs.testServer = async () => {
    attempts += 1;
    if (attempts < 3) throw new RstowError('server-unreachable', 'its agent was killed');
    return { assertionsHeld: 0, startMs: 40, compareMs: 5, writeMs: 1, restartsMs: 90 };
  };
  expect(await agent.execute<TestRecoveryResult>('testRecovery', input)).toMatchObject({ outcome: 'done' });
  expect(verbsOf(agent)).toEqual(['chooseTestPoint', 'stageTest', 'testServer', 'testServer', 'testServer', 'recordTest', 'clearTest']);
});

it('takes no lock: it runs beside the backup that has it', async () => {
  const held = holdVerb(undefined);
  agent.verbs.prepareBackup = held.verb;
  const backup = await agent.start('hotBackup', input);
  await held.reached;
  const run = await agent.start('testRecovery', input);
  expect(await run.result()).toMatchObject({ outcome: 'done' });
  const { events } = await run.fetchHistory();
  expect(events?.filter((event) => event.startChildWorkflowExecutionInitiatedEventAttributes)).toEqual([]);
  expect(await statusOf(backup)).toBe('RUNNING');
  await backup.cancel();
  await backup.result().catch(() => undefined);
});

it('starts nothing where the backup is not there', async () => {
  agent.verbs.chooseTestPoint = failing('backup-not-found');
  expect(await failureOf(agent.execute('testRecovery', input))).toMatchObject({ type: 'backup-not-found' });
  expect(verbsOf(agent)).toEqual(['chooseTestPoint']);
});

it('ends with its result though the agent never clears: its own housekeeping does that later', async () => {
  agent.place.timing.cleanupGiveUpMs = 500;
  const held = holdVerb(undefined);
  agent.verbs.clearTest = held.verb;
  const run = await agent.start('testRecovery', input);
  await held.reached;
  const ended: unknown = await Promise.race([run.result(), sleep(20_000)]);
  held.letGo();
  expect(ended).toMatchObject({ outcome: 'done' });
});
