import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkAssertions } from '../../../../src/activities/recovery-test/test-server.ts';
import type { Assertions, CountAssertion, InstanceAssertion } from '../../../../src/contract/test-recovery.ts';
import { connectRstmdb } from '../../../../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance } from '../../../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../../../src/io/rstmdb/rstmdb-client.ts';
import { ORDER_MACHINE } from '../../../../demo/orders.ts';
import { type RstmdbServer, startRstmdb } from '../../../support/rstmdb-server.ts';

const CONTEXT = '{"customer":{"name":"Ada"},"items":[{"sku":"A-1","count":2.0}],"note":null,"big":9007199254740993}';

let dataDir: string;
let server: RstmdbServer;
let client: RstmdbClient;

const connect = (): Promise<RstmdbClient> => connectRstmdb({ address: server.address, connectTimeoutMs: 2000, requestTimeoutMs: 5000 });

/** Three orders: one is paid. */
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rstow-assertions-'));
  server = await startRstmdb({ dataDir });
  client = await connect();
  await putMachine(client, ORDER_MACHINE);
  const { machine, version } = ORDER_MACHINE;
  for (const id of ['one', 'two', 'three']) await createInstance(client, { id, machine, version, ctxText: CONTEXT });
  await applyEvent(client, { instanceId: 'one', event: 'PAY' });
});
afterAll(async () => {
  await client.close();
  await server.kill();
  await rm(dataDir, { recursive: true, force: true });
});

const HOLDING = {
  counts: [
    { machine: 'order', min: 3, max: 3 },
    { machine: 'order', state: 'created', min: 2, max: 2 },
    { machine: 'order', state: 'paid', min: 1 },
    { machine: 'order', state: 'shipped', max: 0 },
    { machine: 'nothing', min: 0 },
  ],
  instances: [
    { id: 'one', state: 'paid' },
    { id: 'two', state: 'created', path: 'customer.name', equals: 'Ada' },
    { id: 'two', path: 'items[0].count', equals: 2 },
    { id: 'two', path: 'items[0]', equals: { count: 2, sku: 'A-1' } },
    { id: 'two', path: 'note', equals: null },
    { id: 'two', path: 'note' },
    { id: 'two', path: 'big', equals: '9007199254740993' },
  ],
} satisfies Assertions;

it('holds all that is so, and says how many that are', async () => {
  expect(await checkAssertions(connect, HOLDING)).toBe(12);
  expect(await checkAssertions(connect, undefined)).toBe(0);
});

it.each<[string, CountAssertion]>([
  ['there are 3 instances of machine "order", not 4 to any number', { machine: 'order', min: 4 }],
  ['there are 3 instances of machine "order", not 0 to 2', { machine: 'order', max: 2 }],
  ['there are 1 instances of machine "order" in state "paid", not 2 to any number', { machine: 'order', state: 'paid', min: 2 }],
  ['there are 2 instances of machine "order" in state "created", not 0 to 1', { machine: 'order', state: 'created', max: 1 }],
  ['there are 0 instances of machine "order" in state "shipped", not 1 to 3', { machine: 'order', state: 'shipped', min: 1, max: 3 }],
  ['there are 0 instances of machine "ordr", not 1 to any number', { machine: 'ordr', min: 1 }],
])('fails where %s', async (sentence, wrong) => {
  await expectFailed({ ...HOLDING, counts: [...HOLDING.counts, wrong] }, sentence);
});

it.each<[string, InstanceAssertion]>([
  ['there is no instance "four"', { id: 'four' }],
  ['instance "one" is in state "paid", not "created"', { id: 'one', state: 'created' }],
  ['instance "two" has "Ada" at customer.name, not "Bob"', { id: 'two', state: 'created', path: 'customer.name', equals: 'Bob' }],
  ['instance "two" has nothing at customer.street, not a value', { id: 'two', path: 'customer.street' }],
  ['instance "two" has nothing at items[1].sku, not "A-1"', { id: 'two', path: 'items[1].sku', equals: 'A-1' }],
  ['instance "two" has 2.0 at items[0].count, not "2"', { id: 'two', path: 'items[0].count', equals: '2' }],
  ['instance "two" has 9007199254740993 at big, not "9007199254740992"', { id: 'two', path: 'big', equals: '9007199254740992' }],
  ['instance "two" has nothing at street, not null', { id: 'two', path: 'street', equals: null }],
  ['instance "two" has {"name":"Ada"} at customer, not {}', { id: 'two', path: 'customer', equals: {} }],
])('fails where %s', async (sentence, wrong) => {
  await expectFailed({ ...HOLDING, instances: [...HOLDING.instances, wrong] }, sentence);
});

async function expectFailed(assertions: Assertions, sentence: string): Promise<void> {
  await expect(checkAssertions(connect, assertions)).rejects.toMatchObject({ code: 'assertion-failed', message: sentence });
}
