/** Agents of another contract than the run's own: none of them is sent a step. */
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { CONTRACT_NUMBER } from '../../src/contract/names.ts';
import { DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';

const OTHER = CONTRACT_NUMBER + 1;
const input = { database: DATABASE };

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => agent.stop());
beforeEach(() => agent.reset());

it.each([
  ['hotBackup', input],
  ['restore', { ...input, backup: 'latest' }],
  ['restore', { ...input, backup: 'latest', to: { dataDir: '/elsewhere', agent: 'db1' } }],
  ['disasterRecovery', input],
  ['disasterRecovery', { ...input, force: true }],
  ['testRecovery', input],
  ['verifyBackup', input],
  ['listBackups', input],
  ['describeDatabase', input],
])('%s %j is refused by words where the agent has another contract', async (type, wanted) => {
  agent.place.contract = OTHER;
  const failure = await failureOf(agent.execute(type, wanted));
  expect(failure.type).toBe('agent-version-unsupported');
  expect(failure.message).toContain(`contract ${OTHER}`);
  expect(verbsOf(agent)).toEqual([]);
});

it('asks again where some agent of another contract was the first to answer', async () => {
  const own = agent.place;
  let asked = 0;
  agent.verbs.locateAnyAgent = async () => {
    asked += 1;
    return Promise.resolve(asked < 4 ? { ...own, contract: OTHER } : own);
  };
  await agent.execute('listBackups', input);
  expect(asked).toBe(4);
});
