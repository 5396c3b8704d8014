/** What a real agent serves, after a backup, a verification and a recovery test on real servers. */
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import { METRIC_NAMES } from '../../src/worker/telemetry/metrics.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';

const LABELS = `database="${DATABASE}"`;
const IN_LOCAL = `${LABELS},repository="local"`;
const HOT = `${LABELS},kind="hot"`;
const HOT_IN_LOCAL = `${HOT},repository="local"`;

let scene: Omit<Scene, 'agent'>;
let agent: AgentProcess;
let configFile: string;
let address: string;
let backup: HotBackupResult;

beforeAll(async () => {
  scene = await openSceneWithoutAgent(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { database: { archive: { enabled: true, intervalMs: 500 } } },
  );
  address = `127.0.0.1:${await freePort()}`;
  const settings = { name: 'db1', stateDir: join(scene.stack.folder, 'agent'), http: { listen: address } };
  configFile = await scene.stack.writeConfig(settings, scene.stack.plain.databases[DATABASE]);
  agent = await scene.startAgent(configFile);
  const load = await startLoadWriters({ address: scene.stack.address, writers: 2, prefix: 'counted' });
  await load.acknowledgedAtLeast(100);
  await load.stop();
});
afterAll(() => scene.close());

async function get(path: string): Promise<{ status: number; type: string; text: string }> {
  const response = await fetch(`http://${address}${path}`);
  return { status: response.status, type: response.headers.get('content-type') ?? '', text: await response.text() };
}

/** By `name{labels}`. */
async function samples(): Promise<Map<string, number>> {
  const { text } = await get('/metrics');
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

async function sample(key: string): Promise<number | undefined> {
  return (await samples()).get(key);
}

async function untilSample(key: string, isAsWanted: (value: number) => boolean): Promise<number> {
  const signal = AbortSignal.timeout(120_000);
  for (;;) {
    const value = await sample(key);
    if (value !== undefined && isAsWanted(value)) return value;
    if (signal.aborted) throw new Error(`${key} stays ${value}`);
    await delay(300);
  }
}

it('says of a database without a backup that it has none', async () => {
  expect(await untilSample(`rstow_backup_last_success_timestamp_seconds{${HOT_IN_LOCAL}}`, () => true)).toBe(0);
  expect(await sample(`rstow_backup_total{${HOT},outcome="done"}`)).toBe(0);
});

it('shows a backup with its time, duration and size, and that it is not verified', async () => {
  const beganAt = Date.now() / 1000;
  backup = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const at = await untilSample(`rstow_backup_last_success_timestamp_seconds{${HOT_IN_LOCAL}}`, (value) => value >= beganAt);
  expect(at).toBeLessThanOrEqual(Date.now() / 1000);
  await untilSample(`rstow_backup_last_status{${HOT}}`, (value) => value === 1);
  await untilSample(`rstow_backup_total{${HOT},outcome="done"}`, (value) => value === 1);
  const found = await samples();
  expect(found.get(`rstow_backup_size_bytes{${HOT_IN_LOCAL}}`)).toBe(backup.extents?.sizeBytes);
  expect(found.get(`rstow_backup_duration_seconds{${HOT_IN_LOCAL}}`)).toBeLessThanOrEqual(Date.now() / 1000 - beganAt);
  expect(found.get(`rstow_verify_oldest_unverified_seconds{${IN_LOCAL}}`)).toBeGreaterThan(0);
  expect(found.get(`rstow_archive_gap{${IN_LOCAL}}`)).toBe(0);
  expect(found.get(`rstow_repository_up{${IN_LOCAL}}`)).toBe(1);
  expect(found.get('rstow_repository_free_bytes{repository="local"}')).toBeGreaterThan(0);
});

it('shows that the archive has the log, and how long the time is that can be recovered', async () => {
  await untilSample(`rstow_archive_lag_seconds{${LABELS}}`, (value) => value < 30);
  await untilSample(`rstow_recovery_window_seconds{${IN_LOCAL}}`, (value) => value >= 0);
});

it('shows a verification and a recovery test, with how long the recovery took', async () => {
  await scene.temporal.execute('verifyBackup', { database: DATABASE, backup: backup.label });
  await untilSample(`rstow_verify_oldest_unverified_seconds{${IN_LOCAL}}`, (value) => value === 0);
  expect(await sample(`rstow_test_recovery_last_success_timestamp_seconds{${IN_LOCAL}}`)).toBe(0);
  const beganAt = Date.now() / 1000;
  const test = await scene.temporal.execute<TestRecoveryResult>('testRecovery', { database: DATABASE });
  await untilSample(`rstow_test_recovery_last_success_timestamp_seconds{${IN_LOCAL}}`, (value) => value >= beganAt);
  expect(await sample(`rstow_test_recovery_rto_seconds{${IN_LOCAL}}`)).toBe(test.rtoMs / 1000);
});

it('shows whether a restart is safe once it was checked', async () => {
  await scene.temporal.execute('checkDatabase', { database: DATABASE });
  expect(await untilSample(`rstow_restart_safe{${LABELS}}`, () => true)).toBe(1);
});

it('exports every metric that it names, in Prometheus’ format', async () => {
  const { type, text } = await get('/metrics');
  expect(type).toContain('text/plain; version=0.0.4');
  for (const name of METRIC_NAMES) expect(text).toMatch(new RegExp(`^${name}\\{`, 'm'));
});

it('answers that all works', async () => {
  await expect.poll(() => get('/healthz')).toMatchObject({ status: 200, text: '{"status":"works"}\n' });
});

it('has no other path, and no requests for recovery without a token in the config', async () => {
  expect((await get('/')).status).toBe(404);
  expect((await get('/recovery')).status).toBe(404);
  expect((await fetch(`http://${address}/metrics`, { method: 'POST' })).status).toBe(405);
});

it('counts a run that fails, and leaves the last success as it was', async () => {
  const before = await sample(`rstow_backup_last_success_timestamp_seconds{${HOT_IN_LOCAL}}`);
  await expect(scene.temporal.execute('hotBackup', { database: DATABASE, mark: 'not a mark!' })).rejects.toThrow();
  await scene.stack.service.stop();
  await expect(scene.temporal.execute('hotBackup', { database: DATABASE })).rejects.toThrow();
  await untilSample(`rstow_backup_last_status{${HOT}}`, (value) => value === 0);
  expect(await sample(`rstow_backup_total{${HOT},outcome="failed"}`)).toBeGreaterThanOrEqual(1);
  expect(await sample(`rstow_backup_last_success_timestamp_seconds{${HOT_IN_LOCAL}}`)).toBe(before);
  await scene.stack.startServer();
});

it('knows the same after a restart, by what the repository and Temporal say', async () => {
  const before = await samples();
  await agent.kill();
  agent = await scene.startAgent(configFile);
  const kept = [
    `rstow_backup_last_success_timestamp_seconds{${HOT_IN_LOCAL}}`,
    `rstow_backup_last_status{${HOT}}`,
    `rstow_test_recovery_rto_seconds{${IN_LOCAL}}`,
    `rstow_verify_oldest_unverified_seconds{${IN_LOCAL}}`,
  ];
  for (const key of kept) expect(await untilSample(key, () => true)).toBe(before.get(key));
});
