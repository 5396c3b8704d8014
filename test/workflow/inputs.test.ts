import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import { type FakeAgent, startFakeAgent } from './fake-agent.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { failureOf } from './failures.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const TYPES = ['hotBackup', 'verifyBackup', 'restore', 'listBackups', 'describeDatabase', 'checkDatabase'];

it.each(TYPES)('fails a %s that is started without an input, at once and with one sentence', async (type) => {
  const failure = await failureOf(agent.execute(type));
  expect(failure).toMatchObject({ type: 'invalid-input', nonRetryable: true, details: [{ arguments: 0 }] });
  expect(failure.message).toBe(`invalid-input: ${type} takes one JSON object, such as {"database": "orders"}`);
  expect(agent.calls).toEqual([]);
});

it.each([
  ['hotBackup', [{ databse: 'orders' }], 'field "databse" is unknown; did you mean "database"?'],
  ['hotBackup', ['orders'], 'the input must be a JSON object, not a string'],
  ['hotBackup', [{ database: 'orders' }, {}], 'hotBackup takes one JSON object, such as {"database": "orders"}'],
  ['hotBackup', [null], 'hotBackup takes one JSON object, such as {"database": "orders"}'],
  ['restore', [{ database: 'orders' }], 'field "backup" is missing'],
  [
    'restore',
    [{ database: 'orders', backup: 'latest', to: { dataDir: '/a/../b' } }],
    'field "to.dataDir" must be an absolute path without ".." parts',
  ],
  [
    'verifyBackup',
    [{ database: 'orders', level: 'replays' }],
    'field "level" must be one of checksums, records, replay; did you mean "replay"?',
  ],
  ['listBackups', [{ database: 'orders', limit: 0 }], 'field "limit" must be a whole number from 1 to 200'],
  ['describeDatabase', [{ database: 'Orders' }], 'field "database" must be 1 to 63 of a-z, 0-9 and -'],
])('fails %s with the input %j, naming what is wrong', async (type, args, sentence) => {
  const failure = await failureOf(agent.execute(type, ...args));
  expect(failure).toMatchObject({ type: 'invalid-input', message: `invalid-input: ${sentence}` });
});

it.each([
  ['hotBakcup', 'unknown-workflow: rstow has no workflow type "hotBakcup"; did you mean "hotBackup"?'],
  ['deleteEverything', /^unknown-workflow: rstow has no workflow type "deleteEverything"; the types are hotBackup, /],
])('answers the unknown type %s instead of hanging', async (type, message) => {
  const failure = await failureOf(agent.execute(type, { database: 'orders' }));
  expect(failure.type).toBe('unknown-workflow');
  expect(failure.message).toMatch(message);
});

it.each(['constructor', 'toString', 'valueOf', 'hasOwnProperty', '__defineGetter__', '__proto__'])(
  'answers the type %s, which every object has, as the unknown type that it is',
  async (type) => {
    const failure = await failureOf(agent.execute(type, { database: 'orders' }));
    expect(failure).toMatchObject({ type: 'unknown-workflow', message: expect.stringContaining(`"${type}"`) as string });
  },
);

it('tells within seconds that no agent lists a database, and what was meant', async () => {
  agent.verbs.knowDatabase = async () => ({ isListed: false, databases: ['orders', 'stock'], probeMs: 4_000 });
  const failure = await failureOf(agent.execute('hotBackup', { database: 'ordrs' }));
  expect(failure.message).toBe('unknown-database: no agent that answers lists database "ordrs"; did you mean "orders"?');
});

it('tells the same of a list, before all tries to find an agent are used up', async () => {
  let tries = 0;
  agent.verbs.locateAnyAgent = async () => {
    tries += 1;
    return Promise.reject(new RstowError('failed', 'agent "db1" does not list database "ordrs"'));
  };
  agent.verbs.knowDatabase = async () => ({ isListed: false, databases: ['orders', 'stock'], probeMs: 4_000 });
  const failure = await failureOf(agent.execute('listBackups', { database: 'ordrs' }));
  expect(failure.message).toBe('unknown-database: no agent that answers lists database "ordrs"; did you mean "orders"?');
  expect(tries).toBeLessThan(20);
});

it('tells within seconds that the owner of a database does not answer', async () => {
  const startedAtMs = performance.now();
  const failure = await failureOf(agent.execute('hotBackup', { database: 'ordrs' }));
  expect(failure).toMatchObject({ type: 'agent-unreachable', message: expect.stringContaining('"ordrs" does not answer') as string });
  // A quarter of the time that it took once; the machine of the tests is busy.
  expect(performance.now() - startedAtMs).toBeLessThan(30_000);
});
