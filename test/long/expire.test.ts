/** Backups of a real server expire: planned and held through Temporal, then carried out a hundred days later. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ExpireBackupsResult } from '../../src/contract/expire-backups.ts';
import type { ListBackupsResult } from '../../src/contract/list-backups.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { copyNow, testRecoveryNow } from '../support/direct-backup.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { rstow, summaryOf } from '../support/rstow-command.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';

const EXPIRE_MAIN = fileURLToPath(new URL('../support/expire-main.ts', import.meta.url));
const CLOCK_BACK = fileURLToPath(new URL('../support/clock-a-day-back.ts', import.meta.url));

let folder: string;
let temporal: TemporalServer;
let stack: DatabaseStack;
let agent: AgentProcess;
let client: TestClient;
const labels: string[] = [];

beforeAll(async () => {
  temporal = await startTemporalServer();
  folder = await mkdtemp(join(tmpdir(), 'rstow-expired-'));
  await mkdir(join(folder, 'far'));
  const repositories = { far: { kind: 'folder', path: join(folder, 'far') } };
  stack = await makeDatabaseStack({ temporalAddress: temporal.address, segmentSizeMb: 1, repositories });
  agent = await startAgent({ configFile: stack.configFile, workflowBundlePath: inject('workflowBundlePath') });
  client = await connectTestClient(temporal.address);
  for (const prefix of ['first', 'second', 'third']) labels.push(await backUpMore(prefix));
});

afterAll(async () => {
  await client.close();
  await agent.kill('SIGKILL');
  await stack.remove();
  await temporal.stop();
  await rm(folder, { recursive: true });
});

async function backUpMore(prefix: string): Promise<string> {
  const load = await startLoadWriters({ address: stack.address, writers: 2, prefix });
  await load.acknowledgedAtLeast(100);
  await load.stop();
  return (await client.execute<HotBackupResult>('hotBackup', { database: DATABASE })).label ?? 'no label';
}

const command = (name: string, ...args: string[]) => rstow([name, DATABASE, ...args, '--address', temporal.address]);

const planned = async (...args: string[]) => summaryOf(await command('expire', '--json', ...args)) as unknown as ExpireBackupsResult;

/** So many days later, by a process with that clock. */
async function expireAfterDays(days: number, repository = 'local'): Promise<ExpireBackupsResult> {
  const args = [EXPIRE_MAIN, stack.configFile, String(days), repository];
  const { stdout } = await execa(process.execPath, ['--disable-warning=ExperimentalWarning', ...args]);
  return JSON.parse(stdout.split('\n')[1]!) as ExpireBackupsResult;
}

async function listedLabels(): Promise<string[]> {
  const { stdout } = await command('list');
  return labels.filter((label) => stdout.includes(label));
}

it('keeps what is young, and says why', async () => {
  expect(await planned('--apply')).toMatchObject({
    applied: true,
    keepCount: 3,
    expireCount: 0,
    expired: 0,
    removed: { manifests: 0, pieces: 0 },
  });
  expect(await listedLabels()).toEqual(labels);
  const { stdout } = await command('explain', labels[1]!);
  expect(stdout).toMatch(new RegExp(`${labels[1]} stays:\\s+younger than 30 days`));
});

it('lets the old one go that nobody holds, and every other one starts a real server', async () => {
  expect(await command('hold', labels[0]!, '--reason', 'the auditors want it')).toMatchObject({ exitCode: 0 });
  const { backups } = summaryOf(await command('list', '--json')) as unknown as ListBackupsResult;
  expect(backups.map(({ holds }) => holds?.map(({ reason }) => reason))).toEqual([undefined, undefined, ['the auditors want it']]);
  expect((await command('list')).stdout).toMatch(new RegExp(`HELD\n[^]*${labels[0]}[^]*by .+`));
  expect((await command('info')).stdout).toMatch(new RegExp(`held +${labels[0]}, held by .*: the auditors want it`));
  await agent.kill('SIGTERM');

  await expireAfterDays(100, 'far');
  const [moved, deleted] = [await expireAfterDays(100), await expireAfterDays(102)];
  expect(moved).toMatchObject({ expired: 1, expire: [{ label: labels[1] }], removed: { manifests: 0 } });
  expect(moved.keep.find(({ label }) => label === labels[0])?.why).toEqual([expect.stringMatching(/^held by .*: the auditors want it$/)]);
  expect(deleted).toMatchObject({ expired: 0, keepCount: 2, removed: { manifests: 1 } });
  for (const backup of [labels[0]!, labels[2]!])
    expect(await testRecoveryNow(stack, { backup })).toMatchObject({ outcome: 'done', label: backup });
});

it('lets nothing go by a clock that was set back a day, be it the agent’s alone or all there are', async () => {
  const before = await folderHashes(stack.repositoryDir);
  const workflowBundlePath = inject('workflowBundlePath');
  const env = { NODE_OPTIONS: `--disable-warning=ExperimentalWarning --import=${CLOCK_BACK}` };
  const behind = await startAgent({ configFile: stack.configFile, workflowBundlePath, env });
  const refused = await command('expire', '--apply');
  expect(refused).toMatchObject({ exitCode: 14 });
  expect(refused.stderr).toMatch(
    /^error: clock-doubtful: nothing expires while the clocks disagree: this host's differs from Temporal's by 86[0-9]{3} s$/m,
  );
  await behind.kill('SIGKILL');
  await expect(expireAfterDays(-1)).rejects.toThrow(/was made at .* and now it is/);
  expect(await folderHashes(stack.repositoryDir)).toEqual(before);

  agent = await startAgent({ configFile: stack.configFile, workflowBundlePath });
  expect(await listedLabels()).toEqual([labels[0], labels[2]]);
});

it('goes on with backups, and lets go what is no longer held', async () => {
  const label = await backUpMore('fourth');
  expect(await client.execute('verifyBackup', { database: DATABASE, backup: label })).toMatchObject({ outcome: 'done' });
  expect(await command('release', labels[0]!)).toMatchObject({ exitCode: 0 });
  // One type of run: only its input tells which of both it was.
  const runs = (await command('runs')).stdout;
  expect(runs).toMatch(/^\S+ +holdBackup \(release\) +orders /m);
  expect(runs).toMatch(/^\S+ +holdBackup +orders /m);
  expect(await testRecoveryNow(stack, { backup: label })).toMatchObject({ outcome: 'done', label });
  await agent.kill('SIGTERM');
  const { expire } = await expireAfterDays(100);
  expect(expire.map((one) => one.label)).toContain(labels[0]);
  expect(await testRecoveryNow(stack, { backup: label })).toMatchObject({ outcome: 'done', label });
});

it('copies nothing back that has expired, but what is named', async () => {
  const [label = ''] = labels;
  const [local] = (await copyNow(stack)).repositories;
  expect(local).toMatchObject({ repository: 'local', copied: 0, expired: 1 });
  expect(await expireAfterDays(102)).toMatchObject({ removed: { manifests: 0 } });
  expect((await copyNow(stack)).repositories[0]).toMatchObject({ copied: 0, expired: 1 });

  const named = await copyNow(stack, { to: ['local'], backup: label.slice(0, -1) });
  expect(named).toMatchObject({ outcome: 'done', repositories: [{ expired: 0, failures: [] }] });
  expect(await testRecoveryNow(stack, { repository: 'local', backup: label })).toMatchObject({ outcome: 'done', label });
});
