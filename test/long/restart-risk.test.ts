import { appendFile, cp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nagiosLine } from '../../src/cli/nagios-text.ts';
import type { CheckDatabaseResult } from '../../src/contract/check-database.ts';
import type { EventFact } from '../../src/activities/activity-deps.ts';
import { surveyRestart } from '../../src/activities/check/survey-restart.ts';
import type { Finding } from '../../src/core/protection/finding.ts';
import { applyEvent, instancePages } from '../../src/io/rstmdb/instances.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { listMachines } from '../../src/io/rstmdb/server.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { openDatabase } from '../../src/database/database.ts';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { startArchive } from '../support/direct-archive.ts';
import { backUp, checkNow, directDeps, directRun } from '../support/direct-backup.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { oddSource, scratchFolder, withClient, writeOrders } from '../support/odd-source.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';

function finding({ findings }: CheckDatabaseResult, code: string): Finding | undefined {
  return findings.find((found) => found.code === code);
}

/** Its guard would look often; nobody looks unless a test does. */
function source(options: Parameters<typeof oddSource>[0] = {}): Promise<DatabaseStack> {
  return oddSource({ segmentSizeMb: 1, database: { guard: { intervalMs: 50 } }, ...options });
}

async function stateOf(address: string): Promise<{ instances: Set<string>; machines: number }> {
  const instances = new Set<string>();
  const connect = (): ReturnType<typeof connectRstmdb> => connectRstmdb({ address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
  for await (const page of instancePages(connect)) for (const { id } of page.instances) instances.add(id);
  return { instances, machines: (await withClient(address, listMachines)).length };
}

/** What a restart loses, by a real one of a copy. */
async function lostByRestart({ address, walDir }: DatabaseStack): Promise<{ instances: string[]; machines: number }> {
  const dataDir = join(await scratchFolder(), 'data');
  await cp(walDir, join(dataDir, 'wal'), { recursive: true });
  const copy = await startRstmdb({ dataDir, env: { RSTMDB_COMPACT_ENABLED: 'false' } });
  onTestFinished(() => copy.kill());
  const [before, after] = [await stateOf(address), await stateOf(copy.address)];
  return { instances: [...before.instances].filter((id) => !after.instances.has(id)), machines: before.machines - after.machines };
}

async function lastSegment({ walDir }: DatabaseStack): Promise<string> {
  const names = (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();
  return join(walDir, names.at(-1) ?? '');
}

const COUNTERS = 40;

/** Some megabytes of log, of which a COMPACT deletes the beginning. */
function writeBigCounters({ address }: DatabaseStack): Promise<void> {
  return writeCounters(address, { count: COUNTERS, textBytes: 60_000 });
}

/** A server whose compaction has deleted segments: it has everything in memory, and wal/ has not. */
async function compactedStack(): Promise<DatabaseStack> {
  const stack = await source();
  await writeBigCounters(stack);
  expect(finding(await checkNow(stack), 'restart-safe')).toMatchObject({
    severity: 'ok',
    figures: { instances: COUNTERS },
  });
  expect((await compactNow(stack)).segmentsDeleted).toBeGreaterThanOrEqual(2);
  await writeOrders(stack.address, 3);
  return stack;
}

test('names the instances and machines that a restart would lose of a server that compaction has taken log from', async () => {
  const stack = await compactedStack();
  const lost = await lostByRestart(stack);
  expect(lost).toMatchObject({ machines: 1 });
  expect(lost.instances.length).toBeGreaterThanOrEqual(COUNTERS / 2);
  const checked = await checkNow(stack);
  expect(checked).toMatchObject({ outcome: 'warnings', severity: 'critical' });
  expect(nagiosLine(checked)).toMatch(/^RSTOW CRITICAL - orders: restart-loses: a restart now would lose .* \| .*'machinesLost'=1 /);
  const loss = finding(checked, 'restart-loses');
  expect(loss?.figures).toMatchObject({ instances: COUNTERS + 3, instancesLost: lost.instances.length, machinesLost: 1 });
  const named =
    /^a restart now would lose \d+ instances \((\S+), (\S+), (\S+), …\) and 1 machine \(counter version 1\): wal\/ lacks segments 1 to \d+$/;
  expect(loss?.sentence).toMatch(named);
  for (const name of named.exec(loss?.sentence ?? '')?.slice(1) ?? []) expect(lost.instances).toContain(name);
});

test('reports to the log of the agent what a restart would lose', async () => {
  const stack = await compactedStack();
  const recorded: EventFact[] = [];
  const deps = { ...directDeps(stack), events: { record: (fact: EventFact) => void recorded.push(fact) } };
  await directRun(deps)(surveyRestart, { database: DATABASE });
  expect(recorded).toMatchObject([
    { kind: 'restart-checked', database: DATABASE, isSafe: false },
    { kind: 'restart-unsafe', database: DATABASE, code: 'restart-loses' },
  ]);
});

test('finds nothing to lose of a whole log while it is written to, and every lost instance while those are written to', async () => {
  const whole = await source({ serverEnv: { RSTMDB_FSYNC_POLICY: 'never' } });
  const load = await startLoadWriters({ address: whole.address, writers: 4 });
  for (let round = 1; round <= 3; round += 1) {
    await load.acknowledgedAtLeast(round * 500);
    expect(finding(await checkNow(whole), 'restart-safe')).toMatchObject({ severity: 'ok' });
  }
  await load.stop();
  const stack = await compactedStack();
  const lost = await lostByRestart(stack);
  const ticking = tickAll(stack, lost.instances);
  const checked = await checkNow(stack);
  await ticking;
  expect(finding(checked, 'restart-loses')?.figures).toMatchObject({ instancesLost: lost.instances.length });
});

function tickAll({ address }: DatabaseStack, ids: readonly string[]): Promise<void> {
  return withClient(address, async (client) => {
    for (const instanceId of ids) await applyEvent(client, { instanceId, event: 'TICK' });
  });
}

test('tells a torn end from damage that other records follow', async () => {
  const stack = await source();
  await writeOrders(stack.address, 4);
  const path = await lastSegment(stack);
  const bytes = await readFile(path);
  await appendFile(path, bytes.subarray(0, 100));
  const torn = await checkNow(stack);
  expect(finding(torn, 'torn-tail')).toMatchObject({
    severity: 'critical',
    sentence: expect.stringContaining('ends with 100 bytes') as string,
  });
  expect(finding(torn, 'restart-safe')).toMatchObject({ severity: 'ok' });
  await writeOrders(stack.address, 2, 'behind');
  const damaged = await checkNow(stack);
  expect(finding(damaged, 'source-damaged')).toMatchObject({ severity: 'critical' });
  expect(finding(damaged, 'restart-loses')?.figures).toMatchObject({ instancesLost: 2 });
});

test('names what a restart brings back after FLUSH_ALL, and the settings that lose data', async () => {
  const serverEnv = { RSTMDB_ALLOW_FLUSH_ALL: 'true', RSTMDB_FSYNC_POLICY: 'every_ms:50' };
  const stack = await source({ serverEnv });
  await writeOrders(stack.address, 3);
  await withClient(stack.address, (client) => client.request('FLUSH_ALL'));
  const checked = await checkNow(stack);
  expect(finding(checked, 'restart-loses')).toMatchObject({
    severity: 'critical',
    sentence: expect.stringContaining('would bring back 3 instances (order-0, order-1, order-2) and 1 machine (order version 1)') as string,
    figures: { instancesBack: 3, instances: 0 },
  });
  expect(finding(checked, 'flush-all-allowed')).toMatchObject({ severity: 'warning' });
  expect(finding(checked, 'fsync-never')).toMatchObject({
    severity: 'warning',
    sentence: expect.stringContaining('every_ms:50') as string,
  });
});

test('calls what it can’t ask unknown, and never well', async () => {
  const stack = await source();
  await writeOrders(stack.address, 3);
  await backUp(stack);
  await stack.service.stop();
  const checked = await checkNow(stack);
  expect(finding(checked, 'restart-unknown')).toMatchObject({ severity: 'unknown' });
  expect(finding(checked, 'server-unreachable')).toMatchObject({ severity: 'critical' });
  await rm(stack.repositoryDir, { recursive: true });
  const without = await checkNow(stack);
  for (const code of ['repository-unknown', 'archive-unknown']) expect(finding(without, code)).toMatchObject({ severity: 'unknown' });
});

test('finds nothing to lose of a compacted log that the guard has linked back, and says what is missing until then', async () => {
  const stack = await source();
  await writeBigCounters(stack);
  const look = (): Promise<unknown> => createGuard(openDatabase(stack, DATABASE)).look();
  expect(finding(await checkNow(stack), 'guard-waiting')).toMatchObject({ severity: 'warning' });
  await look();
  await compactNow(stack);
  const behind = await checkNow(stack);
  expect(finding(behind, 'guard-behind')).toMatchObject({ severity: 'warning' });
  expect(finding(behind, 'log-pinned')?.figures?.['pinnedBytes']).toBeGreaterThan(2_000_000);
  await look();
  const checked = await checkNow(stack);
  expect(finding(checked, 'restart-safe')).toMatchObject({ severity: 'ok' });
  expect(finding(checked, 'guard')).toMatchObject({ severity: 'ok' });
});

test('measures how far the archive is behind, and says that nobody stores the log any more', async () => {
  const stack = await source({ database: { archive: { intervalMs: 100 }, guard: { intervalMs: 50 } } });
  await writeOrders(stack.address, 3);
  const archive = await startArchive(stack);
  onTestFinished(() => archive.stop());
  await archive.looked();
  await writeOrders(stack.address, 3, 'later');
  const stored = finding(await checkNow(stack), 'archive');
  expect(stored).toMatchObject({ severity: 'ok', figures: { unsavedBytes: 0 } });
  expect(stored?.figures?.['lagMs']).toBeLessThan(5_000);
  await archive.stop();
  await writeOrders(stack.address, 3, 'unstored');
  expect(finding(await checkNow(stack), 'archive-late')).toMatchObject({ severity: 'warning' });
}, 60_000);

test('finds a hole in the stored log once the server has deleted that part of its own', async () => {
  const stack = await source();
  await writeBigCounters(stack);
  await backUp(stack);
  await compactNow(stack);
  const whole = await checkNow(stack);
  expect(finding(whole, 'archive')).toMatchObject({ severity: 'ok', figures: { unsavedBytes: 0 } });
  const segment = join(stack.repositoryDir, 'databases', 'orders', 'wal', '0001', '0000000000000002');
  await rm(segment, { recursive: true });
  expect(finding(await checkNow(stack), 'wal-gap')).toMatchObject({
    severity: 'critical',
    sentence: expect.stringContaining('the log lacks segment 2:') as string,
  });
});
