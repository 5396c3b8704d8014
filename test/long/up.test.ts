import { readlink, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { stringify } from 'yaml';
import { writeFile } from 'node:fs/promises';
import { unlessGone } from '../../src/io/process/proc.ts';
import { freezeServer } from '../crash/support/server-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { freePort } from '../support/free-port.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type RstowProcess, runRstow, spawnRstow } from '../integration/cli/rstow-process.ts';

const PATIENCE_MS = 120_000;
const FIRST_BACKUP = `rstow/${DATABASE}/hotBackup/up`;

let stack: DatabaseStack;
let stateDir: string;
let address: string;
let args: string[];
let env: Record<string, string>;
let started: RstowProcess[];

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'none:1' });
  stateDir = join(stack.folder, 'up');
  const port = await freePort();
  address = `127.0.0.1:${port}`;
  const configFile = join(stack.folder, 'up.yaml');
  const { databases, repositories, timing } = stack.config;
  const temporal = { embedded: { port, uiPort: await freePort() } };
  await writeFile(configFile, stringify({ agent: { name: 'db1', stateDir }, temporal, databases, repositories, timing }));
  args = ['up', '--config', configFile];
  // A proxy that isn't there: nothing on the loopback interface goes through one.
  env = { RSTOW_WORKFLOW_BUNDLE: inject('workflowBundlePath'), https_proxy: 'http://127.0.0.1:9' };
  started = [];
});

afterEach(async () => {
  for (const up of started) up.signal('SIGKILL');
  await Promise.all(started.map((up) => up.exitCode));
  for (const pid of await processesOfState()) process.kill(pid, 'SIGKILL');
  await waitUntil('Temporal has ended', async () => (await processesOfState()).length === 0, PATIENCE_MS);
  await stack.remove();
});

function startUp(...more: string[]): RstowProcess {
  const up = spawnRstow([...args, ...more], env);
  started.push(up);
  return up;
}

async function ready(up: RstowProcess): Promise<void> {
  await waitUntil('everything is protected', () => /^up since/m.test(up.stdout()) || ended(up), PATIENCE_MS);
  expect(up.stdout(), up.stderr()).toMatch(/^up since/m);
}

function ended(up: RstowProcess): boolean {
  return /^error: /m.test(up.stderr());
}

/** Temporal and whatever else works in this state directory. */
async function processesOfState(): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(name)) continue;
    const workingDir = await unlessGone(readlink(`/proc/${name}/cwd`));
    if (workingDir?.startsWith(`${stateDir}/`) === true) found.push(Number(name));
  }
  return found;
}

async function firstBackupRun(): Promise<{ runId: string; status: string } | undefined> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: 2000 });
    try {
      const { runId, status } = await new Client({ connection }).workflow.getHandle(FIRST_BACKUP).describe();
      return { runId, status: status.name };
    } finally {
      await connection.close();
    }
  } catch {
    return undefined;
  }
}

test(
  'makes and verifies a first backup, refuses a second `up`, and ends Temporal with itself, but not the database',
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const up = startUp();
    await ready(up);
    expect(up.stdout()).toMatch(new RegExp(`^protected +${DATABASE}: the server at ${stack.address} on\\s+${stack.dataDir}$`, 'm'));
    expect(up.stdout()).toMatch(/^last backup +\S+-hot, 0 instances, verified: replay 20\d\d-/m);
    expect(up.stdout()).toMatch(/^UI +http:\/\/127\.0\.0\.1:\d+\/namespaces\/default\/workflows$/m);

    expect(up.stdout()).toMatch(/^schedule +every 15 min, next in \d+ (min|s) \(rstow-orders-hotBackup\)$/m);

    const second = await runRstow(args, env);
    expect(second).toMatchObject({ exitCode: 14, stdout: '' });
    expect(second.stderr).toMatch(`error: agent-already-running: process ${up.pid} (since `);

    up.signal('SIGINT');
    expect(await up.exitCode).toBe(0);
    expect(await processesOfState()).toEqual([]);
    expect(await stack.service.isRunning()).toBe(true);

    const changed = startUp('--every', '2h');
    await ready(changed);
    expect(changed.stdout()).toMatch(/^schedule +every 2 h, next in /m);
    changed.signal('SIGINT');
    expect(await changed.exitCode).toBe(0);
    const without = startUp('--every', 'never');
    await ready(without);
    expect(without.stdout()).toMatch(new RegExp(`^NOT PROTECTED +${DATABASE}: `, 'm'));
    expect(without.stdout()).toMatch(/^why +no-schedule: no schedule backs it up$/m);
  },
);

test(
  'continues the same run, on the same Temporal server, after `kill -9` in the middle of the first backup',
  { timeout: 2 * PATIENCE_MS },
  async () => {
    const killed = startUp();
    // A server that doesn't answer keeps the first backup where it is.
    await waitUntil(
      'the database is owned',
      async () => (await filesBelow(join(stack.repositoryDir, 'databases', DATABASE, 'owner'))).length > 0,
    );
    const server = await freezeServer(stack);
    await waitUntil('the first backup runs', async () => (await firstBackupRun()) !== undefined || ended(killed), PATIENCE_MS);
    killed.signal('SIGKILL');
    await killed.exitCode;
    const before = await firstBackupRun();
    expect(before?.status).toBe('RUNNING');
    const temporal = await processesOfState();
    server.thaw();

    const next = startUp();
    await ready(next);
    expect(next.stdout()).toMatch(/left running before and taken\s+over/);
    expect(await processesOfState()).toEqual(temporal);
    expect(await firstBackupRun()).toEqual({ runId: before?.runId, status: 'COMPLETED' });
    next.signal('SIGTERM');
    expect(await next.exitCode).toBe(0);
  },
);

test('refuses a config file that names another Temporal server', async () => {
  const { exitCode, stderr } = await runRstow(['up', '--config', stack.configFile]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('temporal.address names a Temporal server, but `rstow up` runs its own');
});

test('asks for all three places if no config file is named', async () => {
  const { exitCode, stderr } = await runRstow(['up', '--data-dir', stack.dataDir]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain('error: invalid-input: without a config file --data-dir, --server and --repository are all needed');
});
