import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { applyInstance } from '../../../src/activities/instance/apply-instance.ts';
import { planInstance } from '../../../src/activities/instance/plan-instance.ts';
import type { RunPort } from '../../../src/activities/run-port.ts';
import { encodeRecord, recordTypes } from '../../../src/core/wal/record.ts';
import { crc32c } from '../../../src/io/checksum/checksum.ts';
import { applyEvent, createInstance, deleteInstance, getInstance, type Instance } from '../../../src/io/rstmdb/instances.ts';
import { putMachine, walStats } from '../../../src/io/rstmdb/server.ts';
import { operatorKeyOf } from '../../../src/io/signing/operator-key.ts';
import { newPrivateKeyText } from '../../../src/io/signing/ssh-key.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp, bringBack, directDeps, newRun } from '../../support/direct-backup.ts';
import { makeOddSource, withClient } from '../../support/odd-source.ts';
import { deedsOf, TALLY_CTX, TALLY_MACHINE, writeTally } from '../../support/tally.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { append } from '../../support/wal-writer.ts';

const BEFORE_DELETION = { before: { instance: 't-1', record: 'delete' } } as const;
const deleted = { instance: 't-1', target: BEFORE_DELETION };

let stack: DatabaseStack;

beforeEach(async () => {
  stack = await makeOddSource();
  onTestFinished(() => stack.remove());
});

/** `t-1` lives, and is deleted; then there is a backup. Gives it as it was. */
async function deletedTally(count: number): Promise<Instance> {
  return withClient(stack.address, async (client) => {
    await writeTally(client, 't-1', count);
    await writeTally(client, 't-2', 1);
    const before = await getInstance(client, 't-1');
    await deleteInstance(client, 't-1');
    await backUp(stack);
    return before!;
  });
}

const live = (id: string): Promise<Instance | undefined> => withClient(stack.address, (client) => getInstance(client, id));
const lastSequence = async (): Promise<number> => (await withClient(stack.address, walStats)).lastSequence;

function samePart({ machine, version, state, ctxText }: Instance): Partial<Instance> {
  return { machine, version, state, ctxText };
}

it('brings a deleted instance back just as it was, while others are written, and touches none of them', async () => {
  const before = await deletedTally(5);
  await withClient(stack.address, (client) => writeTally(client, 't-3', 2));
  const others = [await live('t-2'), await live('t-3')];
  const result = await bringBack(stack, deleted);
  expect(result).toMatchObject({ outcome: 'done', machine: 'tally', version: 1, state: 'closed', events: 6, putsMachine: false });
  expect(samePart((await live('t-1'))!)).toEqual(samePart(before));
  expect(result.lastOffset).toBe(String((await live('t-1'))!.lastWalOffset));
  expect([await live('t-2'), await live('t-3')]).toEqual(others);
  expect(await bringBack(stack, deleted)).toMatchObject({ outcome: 'not-needed' });
  expect(JSON.stringify(result)).not.toMatch(/Zürich|9007199254740993/);
});

it('brings back what it was in the middle of its life', async () => {
  await deletedTally(5);
  const target = { after: { instance: 't-1', event: 'ADD', occurrence: 2 } };
  expect(await bringBack(stack, { instance: 't-1', target })).toMatchObject({ outcome: 'done', state: 'open', events: 2 });
  expect(await live('t-1')).toMatchObject({ state: 'open', ctxText: TALLY_CTX.replace('"count":0', '"count":2') });
});

it('in a dry run names what it would do, and what it would be refused for, and writes nothing', async () => {
  await deletedTally(2);
  const sequence = await lastSequence();
  expect(await bringBack(stack, { ...deleted, dryRun: true })).toMatchObject({ outcome: 'done', dryRun: true, events: 3, warnings: [] });
  const other = { instance: 't-2', target: { after: { instance: 't-2', record: 'create' } }, dryRun: true } as const;
  expect(await bringBack(stack, other)).toMatchObject({ outcome: 'warnings', warnings: [{ code: 'instance-exists' }] });
  expect(await lastSequence()).toBe(sequence);
});

it('refuses an instance that is there, also one that looks like an early state of the older one', async () => {
  await deletedTally(2);
  await withClient(stack.address, (client) => createInstance(client, { id: 't-1', machine: 'tally', version: 1, ctxText: TALLY_CTX }));
  const sequence = await lastSequence();
  await expect(bringBack(stack, deleted)).rejects.toMatchObject({
    code: 'instance-exists',
    message: 'instance "t-1" is there already, in state "open"; at the point its state was "closed"',
  });
  expect(await lastSequence()).toBe(sequence);
});

/** The plan of a run, and attempts to carry it out. */
async function planned(run: RunPort): Promise<(signal?: AbortSignal) => Promise<unknown>> {
  const deps = directDeps(stack);
  const { repository, planKey } = await planInstance(deps)({ database: DATABASE, ...deleted }, run);
  return (signal = run.signal) => applyInstance(deps)({ database: DATABASE, repository, planKey }, { ...run, signal });
}

it('creates nothing for a run that no operator has signed, if the config names operators', async () => {
  await deletedTally(1);
  const deps = directDeps(stack);
  const operators = { ann: operatorKeyOf(newPrivateKeyText(), 'ann.key').publicLine };
  const run = newRun();
  const { repository, planKey } = await planInstance(deps)({ database: DATABASE, ...deleted }, run);
  const chain = { workflowId: 'by-nobody', firstRunId: run.runId, workflowType: 'recoverInstance' };
  const unsigned = applyInstance({ ...deps, config: { ...deps.config, operators } })(
    { database: DATABASE, repository, planKey },
    { ...run, chain: async () => chain },
  );
  await expect(unsigned).rejects.toMatchObject({ code: 'signature-refused' });
  expect(await live('t-1')).toBeUndefined();
});

it('goes on where an attempt that died in the middle has left the instance, and applies no event twice', async () => {
  // So many that it is still at work when it is told to die.
  const events = 3000;
  const before = await deletedTally(events);
  const attempt = await planned(newRun());
  const dying = new AbortController();
  const died = expect(attempt(dying.signal)).rejects.toThrow('it died');
  await waitUntil('some events are applied', async () => Number(/"count":([0-9]+)/.exec((await live('t-1'))?.ctxText ?? '')?.[1]) > 3);
  dying.abort(new Error('it died'));
  await died;
  expect(await live('t-1')).toMatchObject({ state: 'open' });
  await attempt();
  expect(samePart((await live('t-1'))!)).toEqual(samePart(before));
  const life = ['create_instance', ...Array.from({ length: events }, () => 'ADD'), 'CLOSE'];
  expect(await deedsOf(stack.walDir, 't-1')).toEqual([...life, 'delete_instance', ...life]);
  await attempt();
  expect(await deedsOf(stack.walDir, 't-1')).toHaveLength(2 * life.length + 1);
});

it('leaves to others what somebody else has written to meanwhile', async () => {
  await deletedTally(2);
  const run = newRun();
  const attempt = await planned(run);
  const store = await directDeps(stack).openStore(DATABASE);
  await store.plans.replayBegun.keep(run.runId, { format: 1, instance: 't-1' });
  await withClient(stack.address, async (client) => {
    await createInstance(client, { id: 't-1', machine: 'tally', version: 1, ctxText: TALLY_CTX });
    await applyEvent(client, { instanceId: 't-1', event: 'ADD', payloadText: '{"count":77}' });
  });
  await expect(attempt()).rejects.toMatchObject({ code: 'instance-exists' });
  expect(await live('t-1')).toMatchObject({ state: 'open', ctxText: TALLY_CTX.replace('"count":0', '"count":77') });
});

/** What the server would write itself of a life that its machine forbids. */
function record(type: number, entry: object): Uint8Array {
  return encodeRecord({ type, sequence: 1_000_000, payload: Buffer.from(JSON.stringify(entry)) }, crc32c);
}

const odd = { instance_id: 'odd', machine: 'tally', version: 1 };
const flown = record(recordTypes.applyEvent, {
  ...{ type: 'apply_event', instance_id: 'odd', event: 'FLY' },
  ...{ from_state: 'open', to_state: 'closed', payload: {}, ctx: { count: 5 } },
});

/** Puts the records into the log, which the server replays without asking its machines; then there is a backup without `odd`. */
async function logged(...records: Uint8Array[]): Promise<void> {
  await withClient(stack.address, (client) => putMachine(client, TALLY_MACHINE));
  await stack.service.stop();
  const fileName = (await readdir(stack.walDir))
    .filter((name) => name.endsWith('.wal'))
    .sort()
    .at(-1)!;
  await append(join(stack.walDir, fileName), ...records);
  await stack.startServer();
  await withClient(stack.address, (client) => deleteInstance(client, 'odd'));
  await backUp(stack);
}

const oddDeleted = { instance: 'odd', target: { before: { instance: 'odd', record: 'delete' } } } as const;

it('takes back what it has created if the server refuses an event, and says which', async () => {
  const created = { type: 'create_instance', ...odd, initial_state: 'open', initial_ctx: { count: 5 } };
  await logged(record(recordTypes.createInstance, created), flown);
  await expect(bringBack(stack, oddDeleted)).rejects.toMatchObject({
    code: 'replay-refused',
    message: expect.stringMatching(
      /at event 1 of 1, FLY, .*INVALID_TRANSITION.*; what had been created of it was deleted again$/,
    ) as string,
    details: { event: 'FLY', eventNumber: 1, isThere: false },
  });
  expect(await live('odd')).toBeUndefined();
});

it('refuses beforehand an instance that no request creates in its first state', async () => {
  await logged(record(recordTypes.createInstance, { type: 'create_instance', ...odd, initial_state: 'closed', initial_ctx: { count: 5 } }));
  const sequence = await lastSequence();
  await expect(bringBack(stack, oddDeleted)).rejects.toMatchObject({ code: 'instance-not-replayable' });
  expect(await lastSequence()).toBe(sequence);
});

/** The server has lost everything. */
async function emptied(): Promise<void> {
  await stack.service.stop();
  await rm(stack.walDir, { recursive: true });
  await stack.startServer();
}

it('puts the machine first that the server lacks, and refuses one that is another there', async () => {
  const before = await deletedTally(2);
  await emptied();
  expect(await bringBack(stack, deleted)).toMatchObject({ outcome: 'done', putsMachine: true });
  expect(samePart((await live('t-1'))!)).toEqual(samePart(before));
  await emptied();
  const definitionText = TALLY_MACHINE.definitionText.replace('ctx.count > 0', 'ctx.count > 9');
  await withClient(stack.address, (client) => putMachine(client, { ...TALLY_MACHINE, definitionText }));
  await expect(bringBack(stack, deleted)).rejects.toMatchObject({
    code: 'instance-not-replayable',
    message: expect.stringContaining('the server has another machine tally/1 than the log') as string,
  });
});
