import { afterAll, beforeAll, expect, it } from 'vitest';
import { applyEvent, createInstance, deleteInstance } from '../../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../../src/io/rstmdb/server.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp } from '../../support/direct-backup.ts';
import { ORDER_MACHINE } from '../../../demo/orders.ts';
import { makeOddSource, withClient } from '../../support/odd-source.ts';
import { rstow, summaryOf } from '../../support/rstow-command.ts';
import type { ProgramEnd } from '../../support/run-program.ts';

/** Numbers that JSON.parse would round, or write otherwise. */
const CTX = '{"big":9007199254740993,"city":"Zürich","price":1.50}';

let stack: DatabaseStack;
/** Where the order's first life ended. */
let deletedAt: string;

beforeAll(async () => {
  stack = await makeOddSource();
  await withClient(stack.address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    await createInstance(client, { id: 'o-17', machine: 'order', version: 1, ctxText: CTX });
    await applyEvent(client, { instanceId: 'o-17', event: 'PAY', payloadText: '{"paid":2.0}' });
    deletedAt = String(await deleteInstance(client, 'o-17'));
    await createInstance(client, { id: 'other', machine: 'order', version: 1, ctxText: '{}' });
  });
  await backUp(stack);
});
afterAll(() => stack.remove());

const extract = (...args: string[]): Promise<ProgramEnd> => rstow(['extract', DATABASE, ...args, '--config', stack.configFile]);

it('prints a deleted instance as it was just before its deletion, each number as it was written', async () => {
  const printed = await extract('o-17', '--deleted');
  expect(printed, printed.stderr).toMatchObject({ exitCode: 0 });
  expect(printed.stdout).toMatch(/^machine +order\/1$/m);
  expect(printed.stdout).toMatch(/^state +paid$/m);
  expect(printed.stdout.trimEnd().split('\n').at(-1)).toBe('{"big":9007199254740993,"city":"Zürich","paid":2.0,"price":1.5}');
  const json = await extract('o-17', '--deleted', '--json');
  expect(json.stdout).toContain('"ctx":{"big":9007199254740993,"city":"Zürich","paid":2.0,"price":1.5}}');
  expect(summaryOf(json)).toMatchObject({ id: 'o-17', machine: 'order', version: 1, state: 'paid', events: 1, end: deletedAt });
});

it('prints it as it was before an event, and at the end by default', async () => {
  const before = await extract('o-17', '--target-before', 'o-17', '--event', 'PAY', '--json');
  expect(summaryOf(before)).toMatchObject({ state: 'created', events: 0, last: { type: 'create_instance' } });
  expect(summaryOf(await extract('other', '--json'))).toMatchObject({ id: 'other', state: 'created' });
});

it.each([
  ['was deleted by then', ['o-17'], () => `it was deleted at offset ${deletedAt}, by record 4`],
  ['is created later', ['other', '--target-offset', '1099511627776'], () => 'it is created at offset '],
  ['was never there', ['nobody'], () => 'has no creation of it'],
])('says of an instance that %s where it was', async (_when, args, sentence) => {
  const refused = await extract(...args);
  expect(refused).toMatchObject({ exitCode: 10, stdout: '' });
  expect(refused.stderr).toContain('error: instance-not-found: ');
  expect(refused.stderr).toContain(sentence());
  expect(refused.stderr).toContain(`rstow log ${DATABASE} --instance ${args[0]}`);
});

it('refuses --deleted beside another point', async () => {
  expect(await extract('o-17', '--deleted', '--target-sequence', '2')).toMatchObject({ exitCode: 2 });
});
