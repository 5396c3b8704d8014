/** What an operator sees on one screen, and what an auditor asks for: of a real stack, with Temporal and without. */
import { randomUUID } from 'node:crypto';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { backupScheduleId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { rstow, summaryOf } from '../support/rstow-command.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';

let temporal: TemporalServer;
let stack: DatabaseStack;
let agent: AgentProcess;
let client: TestClient;
let backup: HotBackupResult;
/** Of the agent. */
let listen: string;

beforeAll(async () => {
  temporal = await startTemporalServer();
  stack = await makeDatabaseStack({ temporalAddress: temporal.address, segmentSizeMb: 1 });
  listen = `127.0.0.1:${await freePort()}`;
  const settings = { name: 'db1', stateDir: join(stack.folder, 'agent'), http: { listen } };
  agent = await startAgent({ configFile: await stack.writeConfig(settings), workflowBundlePath: inject('workflowBundlePath') });
  const load = await startLoadWriters({ address: stack.address, writers: 2, prefix: 'kept' });
  await load.acknowledgedAtLeast(200);
  await load.stop();
  client = await connectTestClient(temporal.address);
  backup = await client.execute<HotBackupResult>('hotBackup', { database: DATABASE, requestedBy: 'ada@db1', reason: 'before the release' });
  await client.execute('verifyBackup', { database: DATABASE, requestedBy: 'ben@db1', reason: 'weekly check' });
  const wrong = { database: DATABASE, backup: 'never-made', requestedBy: 'cem@db1', reason: 'a misspelt label' };
  await client.execute('verifyBackup', wrong).catch(() => undefined);
  await client.client.schedule.create({
    scheduleId: backupScheduleId(DATABASE),
    spec: { intervals: [{ every: '1d' }] },
    action: { type: 'startWorkflow', workflowType: 'hotBackup', taskQueue: WORKFLOW_QUEUE, args: [{ database: DATABASE }] },
  });
});

afterAll(async () => {
  await client.close();
  await agent.kill('SIGKILL');
  await stack.remove();
  await temporal.stop();
});

const command = (name: string, ...args: string[]) =>
  rstow([name, DATABASE, '--config', stack.configFile, '--address', temporal.address, ...args]);

type Recorded = { who?: string; why?: string; type: string; state: string; sources: string[] };

async function recordsOf(...args: string[]): Promise<Recorded[]> {
  return (summaryOf(await command('history', '--json', ...args)) as { records: Recorded[] }).records;
}

/** One that begins in an hour. */
async function startOpenRun(): Promise<string> {
  const workflowId = `rstow/${DATABASE}/exportBackup/${randomUUID()}`;
  await client.client.workflow.start('exportBackup', {
    workflowId,
    taskQueue: WORKFLOW_QUEUE,
    startDelay: '1h',
    args: [
      {
        database: DATABASE,
        backup: 'latest',
        file: '/tmp/x.tar.gz',
        agent: 'nobody',
        requestedBy: 'dia@db1',
        reason: 'for the tax office',
      },
    ],
  });
  return workflowId;
}

it('shows who, when, why and what came of it, for ended, failed and open runs, on one screen and as a record', async () => {
  const workflowId = await startOpenRun();
  await waitUntil('the runs are listed', async () => (await command('history')).stdout.includes('dia@db1'));
  const status = await command('status');
  expect(status.stdout).toMatch(new RegExp(`restorable +${backup.label}`));
  expect(status.stdout).toMatch(/hotBackup .*by ada@db1: done/);
  expect(status.stdout).toMatch(/verifyBackup .*by cem@db1: FAILED\s+backup-not-found/);
  expect(status.stdout.replaceAll(/\s+/g, ' ')).toMatch(
    /open runs exportBackup: waiting to start; starts \S+ \S+ \(in [0-9]+ min\), asked .*, by dia@db1/,
  );
  expect(status.stdout).toContain('because: for the tax office');
  expect(status.stdout).toMatch(new RegExp(`${backupScheduleId(DATABASE)}: next`));
  expect(status.stdout.split('\n').every((line) => line.length <= 80)).toBe(true);
  const records = await recordsOf();
  const of = (who: string) => records.find((one) => one.who === who);
  expect(of('ada@db1')).toMatchObject({ type: 'hotBackup', state: 'done', why: 'before the release', label: backup.label });
  expect(of('ada@db1')?.sources).toEqual(['temporal', 'repository']);
  expect(of('ben@db1')).toMatchObject({ type: 'verifyBackup', state: 'done', label: backup.label });
  expect(of('cem@db1')).toMatchObject({ state: 'failed', failure: { code: 'backup-not-found' }, why: 'a misspelt label' });
  expect(of('dia@db1')).toMatchObject({ type: 'exportBackup', state: 'running', why: 'for the tax office' });
  const failed = summaryOf(await command('history', '--failed', '--type', 'verifyBackup', '--since', '1h', '--json'));
  expect(failed['records']).toMatchObject([{ who: 'cem@db1' }]);
  await client.client.workflow.getHandle(workflowId).terminate('the test has seen it');
});

it('shows what Temporal knows where the repository is away, and says that', async () => {
  await rename(stack.repositoryDir, `${stack.repositoryDir}-away`);
  const status = await command('status');
  const history = await command('history');
  await rename(`${stack.repositoryDir}-away`, stack.repositoryDir);
  expect(status.exitCode).toBe(3);
  expect(status.stdout).toMatch(/not asked .*repository-unavailable/s);
  expect(status.stdout).toMatch(/hotBackup .*by ada@db1: done/);
  expect(history.exitCode).toBe(3);
  expect(history.stdout).toContain('before the release');
  expect(history.stderr).toContain('repository-unavailable');
});

it('answers 503 on /healthz while Temporal is down, says so, and 200 when it is back', async () => {
  const health = async () => {
    const response = await fetch(`http://${listen}/healthz`);
    return { status: response.status, body: (await response.json()) as { faults?: Record<string, string> } };
  };
  await waitUntil('all works', async () => (await health()).status === 200);
  await temporal.kill();
  await waitUntil('the agent misses Temporal', async () => (await health()).body.faults?.['temporal'] !== undefined);
  expect(await health()).toMatchObject({
    status: 503,
    body: { faults: { temporal: 'asking Temporal whether it is still the same: temporal-unreachable' } },
  });
  await temporal.start();
  await waitUntil('all works again', async () => (await health()).status === 200);
});

it('answers in seconds where the agent was killed and Temporal still believes in it: by the config of the host', async () => {
  await waitUntil('the runs that have ended are recorded', async () =>
    (await recordsOf()).filter(({ who }) => who !== undefined).every(({ sources }) => sources.includes('repository')),
  );
  await agent.kill('SIGKILL');
  const status = await command('status');
  expect(status.exitCode).toBe(3);
  expect(status.stdout).toMatch(/^NOT PROTECTED/);
  expect(status.stdout.replaceAll(/\s+/g, ' ')).toMatch(/agent-unreachable: agent \S+, its owner, does not run/);
  expect(status.stdout).toMatch(new RegExp(`restorable +${backup.label}`));
  expect(status.stdout).toMatch(/hotBackup .*by ada@db1: done/);
  // A query that nobody takes up would be waited for two minutes.
  expect(status.durationMs).toBeLessThan(20_000);
});

it('shows what the repository and the host say where Temporal is stopped, and says what it could not ask', async () => {
  await temporal.stop();
  const status = await command('status');
  expect(status.exitCode).toBe(3);
  expect(status.stdout).toMatch(new RegExp(`restorable +${backup.label}`));
  expect(status.stdout).toMatch(/verified +replay/);
  expect(status.stdout).toMatch(/^NOT PROTECTED/);
  expect(status.stdout.replaceAll(/\s+/g, ' ')).toMatch(/agent-unreachable: agent \S+, its owner, does not run/);
  expect(status.stdout).toMatch(/restart +a restart now loses nothing/);
  expect(status.stdout).toMatch(/not asked +runs and schedules could not be asked: temporal-unreachable/);
  const history = await command('history');
  expect(history).toMatchObject({ exitCode: 3 });
  expect(history.stdout).toMatch(new RegExp(`hotBackup of ${DATABASE}: done.*${backup.label}`, 's'));
  expect(history.stdout).toContain(`verifyBackup of ${DATABASE}: done`);
  expect(history.stderr).toContain('Temporal could not be asked: temporal-unreachable');
});

it('still tells who, when, why and what came of it where Temporal has lost all it knew, each run once', async () => {
  const empty = await startTemporalServer();
  const records = await recordsOf('--address', empty.address);
  await empty.stop();
  expect(records.map(({ who }) => who)).toEqual(['dia@db1', 'cem@db1', 'ben@db1', 'ada@db1']);
  const [exported, refused, verified, backedUp] = records;
  const known = { startedAtMs: expect.any(Number) as number, endedAtMs: expect.any(Number) as number, sources: ['repository'] };
  expect(backedUp).toMatchObject({ ...known, type: 'hotBackup', why: 'before the release', state: 'done', label: backup.label });
  expect(verified).toMatchObject({ ...known, type: 'verifyBackup', why: 'weekly check', state: 'done', label: backup.label });
  const failure = { code: 'backup-not-found', sentence: expect.stringContaining('never-made') as string };
  expect(refused).toMatchObject({ ...known, type: 'verifyBackup', why: 'a misspelt label', state: 'failed', failure });
  expect(exported).toMatchObject({ ...known, type: 'exportBackup', why: 'for the tax office', state: 'terminated' });
});

it('ends with 17 where nobody can be asked', async () => {
  await rename(stack.configFile, `${stack.configFile}.away`);
  const [status, history] = [await command('status'), await command('history')];
  await rename(`${stack.configFile}.away`, stack.configFile);
  expect(status).toMatchObject({ exitCode: 17 });
  expect(history).toMatchObject({ exitCode: 17 });
});
