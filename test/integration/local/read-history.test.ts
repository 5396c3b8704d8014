/** `rstow log` and `rstow diff` of a real server's history: two branches of a fork, a deletion, instances that came back. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { diffPoint } from '../../../src/cli/commands/diff.ts';
import type { LogRecord } from '../../../src/core/recovery/log-record.ts';
import type { RecordQuery } from '../../../src/core/recovery/record-filter.ts';
import { pieceKey } from '../../../src/core/repository/piece.ts';
import { parseWalOffset, type WalOffset } from '../../../src/core/wal/wal-offset.ts';
import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { listSegments } from '../../../src/io/data-directory/segments.ts';
import { applyEvent, createInstance, deleteInstance } from '../../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../../src/io/rstmdb/server.ts';
import { diffPoints, type LogReading, type PointDifference, readLog } from '../../../src/local/read-history.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp, restoreInPlace } from '../../support/direct-backup.ts';
import { ORDER_MACHINE } from '../../../demo/orders.ts';
import { makeOddSource, scratchFolder, withClient, writeOrders } from '../../support/odd-source.ts';
import { keepRepositoryFiles } from '../../support/repository-files.ts';
import { rstow, summaryOf } from '../../support/rstow-command.ts';

let stack: DatabaseStack;
/** Of the history that was left, and of the one in use. */
let first: Manifest;
let left: Manifest;
let inUse: Manifest;

const ORDER_2 = { ...ORDER_MACHINE, version: 2 };
const OTHER_DEFINITION = '{"states":["created"],"initial":"created","transitions":[]}';

/** 0001: six orders, then order-3 goes, order-1 comes back new, order-5 ships. 0002, begun at the first backup: order-0 is paid. */
beforeAll(async () => {
  stack = await makeOddSource({ segmentSizeMb: 1 });
  await writeOrders(stack.address, 6);
  first = await backUp(stack);
  await withClient(stack.address, async (client) => {
    await deleteInstance(client, 'order-3');
    await deleteInstance(client, 'order-1');
    await createInstance(client, { id: 'order-1', machine: 'order', version: 1, ctxText: '{"again":1}' });
    await applyEvent(client, { instanceId: 'order-5', event: 'SHIP', payloadText: '{"big":12345678901234567890}' });
    await putMachine(client, ORDER_2);
    await createInstance(client, { id: 'newer', machine: 'order', version: 2, ctxText: '{}' });
  });
  left = await backUp(stack);
  await restoreInPlace(stack, first.label);
  await withClient(stack.address, async (client) => {
    await applyEvent(client, { instanceId: 'order-0', event: 'PAY', payloadText: '{}' });
    await putMachine(client, { ...ORDER_2, definitionText: OTHER_DEFINITION });
  });
  inUse = await backUp(stack);
});

afterAll(() => stack.remove());

type Asked = Partial<Pick<LogReading, 'timeline' | 'limit' | 'repository' | 'configFile'>>;

async function log(query: RecordQuery, asked: Asked = {}): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const print: LogReading['print'] = async (found) => {
    records.push(...found.map(({ record }) => record));
    return Promise.resolve();
  };
  const summary = await readLog({ configFile: stack.configFile, database: DATABASE, query, print, ...asked });
  expect(summary.found).toBe(records.length);
  return records;
}

const deeds = (records: readonly LogRecord[]): string[] => records.map(({ type, event, instance = '' }) => `${event ?? type} ${instance}`);

async function difference(before: string, after: string, timeline?: string): Promise<PointDifference> {
  const points = { before: diffPoint(before), after: diffPoint(after) };
  return diffPoints({ configFile: stack.configFile, database: DATABASE, timeline, ...points });
}

const counts = ({ instancesCreated, instancesChanged, instancesDeleted }: PointDifference) => ({
  created: instancesCreated.first,
  changed: instancesChanged.first,
  deleted: instancesDeleted.first,
});

it('gives an instance’s records of the history in use, and of the one that was left', async () => {
  expect(deeds(await log({ instance: 'order-1' }))).toEqual(['create_instance order-1', 'PAY order-1']);
  expect(deeds(await log({ instance: 'order-1' }, { timeline: '0001' }))).toEqual([
    'create_instance order-1',
    'PAY order-1',
    'delete_instance order-1',
    'create_instance order-1',
  ]);
});

it('gives records by machine, type and event, whichever is asked', async () => {
  const timeline = '0001';
  expect(deeds(await log({ type: 'delete_instance' }, { timeline }))).toEqual(['delete_instance order-3', 'delete_instance order-1']);
  expect(deeds(await log({ event: 'SHIP' }, { timeline }))).toEqual(['SHIP order-5']);
  expect(await log({ event: 'SHIP' })).toEqual([]);
  expect((await log({ machine: 'order' }, { timeline })).length).toBe(left.records);
  expect(await log({ machine: 'Order' }, { timeline })).toEqual([]);
  expect(await log({ type: 'put_machine' })).toMatchObject([
    { machine: 'order', version: 1 },
    { machine: 'order', version: 2 },
  ]);
});

it('gives a range, and no more than are wanted, each where the next one begins', async () => {
  const all = await log({});
  expect(all.length).toBe(inUse.records);
  for (const [at, { end }] of all.slice(0, -1).entries()) expect(all[at + 1]!.offset).toBe(end);
  const [from, to] = [3, 7].map((at) => parseWalOffset(all[at]!.offset) as WalOffset);
  expect(await log({ from, to })).toEqual(all.slice(3, 7));
  expect(await log({ from }, { limit: 2 })).toEqual(all.slice(3, 5));
  expect(await log({ from: parseWalOffset(all.at(-1)!.end) })).toEqual([]);
  expect(await log({}, { limit: 0 })).toEqual([]);
});

it('tells what differs between two backups of a history', async () => {
  const forwards = await difference(first.label, left.label);
  expect(counts(forwards)).toEqual({ created: ['newer'], changed: ['order-1', 'order-5'], deleted: ['order-3'] });
  expect(forwards).toMatchObject({
    machinesAdded: { first: ['order/2'] },
    before: { timeline: '0001', label: first.label },
    after: { label: left.label },
  });
  const backwards = await difference(left.label, first.label);
  expect(counts(backwards)).toEqual({ created: ['order-3'], changed: ['order-1', 'order-5'], deleted: ['newer'] });
  expect(backwards.machinesRemoved.first).toEqual(['order/2']);
  expect(counts(await difference(left.label, left.label))).toEqual({ created: [], changed: [], deleted: [] });
});

it('tells what differs between two branches of a fork, a machine too that each defines otherwise', async () => {
  const branches = await difference(left.label, 'latest');
  expect(counts(branches)).toEqual({ created: ['order-3'], changed: ['order-0', 'order-1', 'order-5'], deleted: ['newer'] });
  expect(branches).toMatchObject({ machinesChanged: { first: ['order/2'] }, machinesAdded: { count: 0 }, machinesRemoved: { count: 0 } });
  expect(branches.after).toMatchObject({ timeline: '0002', label: inUse.label });
});

it('tells what differs between points within a backup, of a history that was left', async () => {
  const around = await difference('before:order-3', 'after:order-3', '0001');
  expect(counts(around)).toEqual({ created: [], changed: [], deleted: ['order-3'] });
  expect(parseWalOffset(around.before.end)).toBeLessThan(parseWalOffset(around.after.end)!);
  const [from, to] = [around.before.end, around.after.end];
  expect(counts(await difference(`offset:${from}`, `offset:${to}`, '0001'))).toEqual(counts(around));
});

it('tells what was written since the newest backup, while the server runs', async () => {
  expect(counts(await difference('latest', 'now'))).toEqual({ created: [], changed: [], deleted: [] });
  await withClient(stack.address, async (client) => {
    await createInstance(client, { id: 'unstored', machine: 'order', version: 1, ctxText: '{}' });
    await applyEvent(client, { instanceId: 'order-2', event: 'PAY', payloadText: '{}' });
  });
  const since = await difference('latest', 'now');
  expect(counts(since)).toEqual({ created: ['unstored'], changed: ['order-2'], deleted: [] });
  expect(since.after).toMatchObject({ timeline: '0002', label: undefined });
});

it('does not guess what a server holds whose log lacks its beginning', async () => {
  const folder = await scratchFolder();
  await cp(stack.walDir, join(folder, 'wal'), { recursive: true });
  const [segment] = (await listSegments(join(folder, 'wal')))!;
  await cp(segment!.path, segment!.path.replace('0001.wal', '0002.wal'));
  await rm(segment!.path);
  const configFile = await stack.writeConfig({ name: 'db1', stateDir: join(stack.folder, 'agent') }, { dataDir: folder });
  const points = { before: diffPoint('latest'), after: diffPoint('now') };
  await expect(diffPoints({ configFile, database: DATABASE, ...points })).rejects.toMatchObject({
    code: 'wal-gap',
    message: expect.stringContaining('the log in place lacks segment 1:') as string,
  });
});

const common = (): string[] => ['--config', stack.configFile];

it('prints a record with all its data as it stands in the log, where that is asked for', async () => {
  const asked = ['log', DATABASE, '--instance', 'order-5', '--event', 'PAY', ...common()];
  const plain = await rstow(asked);
  const whole = await rstow([...asked, '--with-data']);
  expect([plain.exitCode, whole.exitCode, whole.stderr]).toEqual([0, 0, '']);
  const { entry, ...record } = JSON.parse(whole.stdout) as { entry: object };
  expect(record).toEqual(JSON.parse(plain.stdout));
  expect(entry).toMatchObject({ type: 'apply_event', instance_id: 'order-5', ctx: { serial: 5, city: 'Zürich' } });
  const text = whole.stdout.slice(whole.stdout.indexOf(',"entry":') + ',"entry":'.length, -2);
  const [segment] = (await listSegments(stack.walDir))!;
  expect((await readFile(segment!.path)).includes(text)).toBe(true);
  const shipped = await rstow(['log', DATABASE, '--timeline', '0001', '--event', 'SHIP', '--with-data', ...common()]);
  // As a number it would have lost its last digits.
  expect(shipped.stdout).toContain('"big":12345678901234567890');
});

it('ends silently when the reader of its pipe has had enough', async () => {
  await writeOrders(stack.address, 1500, 'many');
  await backUp(stack);
  const command = `"${process.execPath}" src/cli/main.ts log "$@" | head -n 2; echo "\${PIPESTATUS[0]}"`;
  const child = spawn('bash', ['-c', command, 'bash', DATABASE, '--with-data', ...common()], { stdio: ['ignore', 'pipe', 'pipe'] });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  await once(child, 'close');
  const lines = text.stdout.trimEnd().split('\n');
  expect(lines.slice(0, 2).map((line) => (JSON.parse(line) as LogRecord).type)).toEqual(['put_machine', 'create_instance']);
  expect(lines[2]).toBe('141');
  expect(text.stderr).toBe('');
});

it('prints what stands before a damaged object, and names the object', async () => {
  const files = await keepRepositoryFiles(stack.repositoryDir, join(await scratchFolder(), 'kept'));
  onTestFinished(() => files.heal());
  const range = inUse.segments.at(-1)!.ranges.at(-1)!;
  expect(range.timeline).toBe('0002');
  const key = pieceKey(DATABASE, range.timeline, { segment: inUse.segments.at(-1)!.segment, ...range, suffix: '.zst' });
  const sound = await log({});
  await files.flipBit(key);
  const { exitCode, stdout, stderr } = await rstow(['log', DATABASE, ...common()]);
  expect(exitCode).not.toBe(0);
  expect(stderr).toMatch(new RegExp(`^error: damaged-object: ${key} .*\nhint: `));
  const printed = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as LogRecord);
  expect(printed).toEqual(sound.slice(0, printed.length));
  expect(printed.length).toBeGreaterThanOrEqual(first.records);
  expect(printed.length).toBeLessThan(sound.length);
});

it('prints a difference in 80 columns for people, and all of it for programs', async () => {
  const args = ['diff', DATABASE, first.label, left.label, ...common()];
  const forPeople = await rstow(args);
  expect(forPeople.stdout.split('\n').every((line) => line.length <= 80)).toBe(true);
  expect(forPeople.stdout).toMatch(/^from +offset [0-9]+ of timeline 0001, stored by/);
  expect(forPeople.stdout).toMatch(/^deleted +1 instance: order-3$/m);
  expect(forPeople.stdout).toMatch(/^machines added +1 version: order\/2$/m);
  expect(summaryOf(await rstow([...args, '--json']))).toMatchObject({
    database: DATABASE,
    instancesDeleted: { count: 1, first: ['order-3'] },
  });
});
