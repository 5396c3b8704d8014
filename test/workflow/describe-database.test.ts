import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { DescribeDatabaseResult } from '../../src/contract/describe-database.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { AGENT, DATABASE, type FakeAgent, INSTALLATION_ID, startFakeAgent } from './fake-agent.ts';
import { HOST, PROTECTION } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const FORMER = { agent: AGENT, installationId: INSTALLATION_ID };
const owner = { agent: 'db2', generation: 2, claimedAtMs: Date.UTC(2026, 10, 24) };
const stale = { agent: AGENT, address: '127.0.0.1:7401', owner };

const describe = (): Promise<DescribeDatabaseResult> => agent.execute<DescribeDatabaseResult>('describeDatabase', { database: DATABASE });
const hadOwners = (...formerOwners: (typeof FORMER)[]): void => {
  agent.verbs.describeProtection = async () => ({ ...PROTECTION, formerOwners });
};

it('tells which former owner’s server is stale, and does not wait long for one who is silent', async () => {
  hadOwners(FORMER, { agent: 'burnt', installationId: '00000000-0000-4000-8000-000000000000' });
  agent.verbs.findStaleServer = async () => stale;
  const result = await describe();
  expect(result).toMatchObject({ outcome: 'warnings', stale: [stale] });
  expect(result.warnings).toEqual([
    {
      code: 'owner-outdated',
      message:
        'the server at 127.0.0.1:7401 of agent "db1" is stale; agent "db2" has owned database "orders" since 2026-11-24 00:00:00Z' +
        ' (generation 2), so point its clients there and stop it',
    },
  ]);
  expect(result).not.toHaveProperty('formerOwners');
});

it('does not wait for an owner that falls silent after its answer, and says that it is not heard', async () => {
  agent.verbs.locateDatabase = async () => ({ ...agent.place, installationId: '00000000-0000-4000-8000-000000000000' });
  expect(await describe()).toMatchObject({ server: null, protection: { gaps: [{ code: 'agent-unreachable' }] } });
});

it.each([
  ['has no server that answers', async () => null],
  ['can’t say', async () => Promise.reject(new RstowError('unknown-database', 'it is listed no more'))],
])('ends as done where a former owner %s', async (_what, verb) => {
  hadOwners(FORMER);
  agent.verbs.findStaleServer = verb;
  expect(await describe()).toMatchObject({ outcome: 'done', stale: [], warnings: [] });
});

it('asks nobody where there was no owner before', async () => {
  expect(await describe()).toMatchObject({ outcome: 'done', stale: [] });
  expect(agent.calls.map(({ verb }) => verb).sort()).toEqual(['describeProtection', 'inspectHost', 'locateAnyAgent', 'locateDatabase']);
});

it('calls a database protected only while nothing is missing, and says what is missing as warnings', async () => {
  expect((await describe()).protection).toEqual({ isProtected: true, gaps: [] });
  agent.verbs.inspectHost = async () => ({
    ...HOST,
    server: {
      failure: { code: 'server-unreachable', sentence: 'nobody answers' },
      compaction: { isOn: true, source: { kind: 'default' } },
      guard: { kind: 'off' },
    },
  });
  const { outcome, protection, warnings } = await describe();
  expect({ outcome, isProtected: protection.isProtected }).toEqual({ outcome: 'warnings', isProtected: false });
  expect(warnings.map(({ code }) => code)).toEqual(['server-unreachable', 'compaction-on']);
});
