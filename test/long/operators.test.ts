/** Who may replace data on a host with `rstow up`, by the commands that people type there. */
import { execFile } from 'node:child_process';
import { copyFile, mkdtemp, chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { lockWorkflowId, PROGRESS_QUERY, recoveryWorkflowId, slotQueue, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { SIGNATURE_MEMO } from '../../src/contract/messages.ts';
import { operatorKeyOf } from '../../src/io/signing/operator-key.ts';
import { newPrivateKeyText } from '../../src/io/signing/ssh-key.ts';
import { type RstowProcess, spawnRstow } from '../integration/cli/rstow-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { databaseState, type DatabaseState } from '../support/database-witness.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { rstow } from '../support/rstow-command.ts';
import { connectTestClient, type TestClient, textOfHistory } from '../support/run-workflow.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';
import { stringify } from 'yaml';

const NOBODY = 65_534;
const PATIENCE_MS = 120_000;
const TOKEN = 'a-token-of-the-webhook';
const input = { database: DATABASE, backup: 'latest' };

let stack: DatabaseStack;
let up: RstowProcess;
let temporal: TestClient;
let address: string;
let webhook: string;
let keyFile: string;
/** The Temporal CLI where every user of the host can run it. */
let tools: string;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'none:1', segmentSizeMb: 1 });
  const load = await startLoadWriters({ address: stack.address, writers: 2 });
  await load.acknowledgedAtLeast(100);
  await load.stop();
  tools = await mkdtemp(join(tmpdir(), 'rstow-tools-'));
  await chmod(tools, 0o755);
  await copyFile(toolPath('temporal'), join(tools, 'temporal'));
  up = spawnRstow(['up', '--config', await upConfig()], { RSTOW_WORKFLOW_BUNDLE: inject('workflowBundlePath') });
  await waitUntil('it is up', () => /^up since/m.test(up.stdout()) || /^error: /m.test(up.stderr()), PATIENCE_MS);
  expect(up.stdout(), up.stderr()).toMatch(/^up since/m);
  temporal = await connectTestClient(address);
});

afterAll(async () => {
  await temporal.close();
  up.signal('SIGTERM');
  await up.exitCode;
  await stack.remove();
  await rm(tools, { recursive: true });
});

async function upConfig(): Promise<string> {
  const stateDir = join(stack.folder, 'up');
  const [port, uiPort, webhookPort] = [await freePort(), await freePort(), await freePort()];
  [address, webhook, keyFile] = [`127.0.0.1:${port}`, `127.0.0.1:${webhookPort}`, join(stateDir, 'operator.key')];
  const tokenFile = join(stack.folder, 'webhook.token');
  await writeFile(tokenFile, TOKEN, { mode: 0o600 });
  const { databases, repositories, timing } = stack.config;
  const agent = { name: 'db1', stateDir, http: { listen: webhook, recoveryTokenFile: tokenFile } };
  const file = join(stack.folder, 'up.yaml');
  await writeFile(file, stringify({ agent, temporal: { embedded: { port, uiPort } }, databases, repositories, timing }));
  return file;
}

/** `temporal …` as user nobody of this host. */
async function temporalAsNobody(...args: string[]): Promise<void> {
  const user = { uid: NOBODY, gid: NOBODY, cwd: '/', env: { HOME: '/nonexistent' }, timeout: 30_000 };
  await promisify(execFile)(join(tools, 'temporal'), [...args, '--address', address], user);
}

const startAsNobody = (type: string, workflowId: string, given: object): Promise<void> =>
  temporalAsNobody(
    'workflow',
    'start',
    '--type',
    type,
    '--task-queue',
    WORKFLOW_QUEUE,
    '--workflow-id',
    workflowId,
    '--input',
    JSON.stringify(given),
  );

/** What the run says that it waits for. */
async function waitsFor(run: WorkflowHandle): Promise<string> {
  const progress = (): Promise<Progress> => run.query<Progress>(PROGRESS_QUERY);
  await waitUntil('it waits for approval', async () => (await progress()).phase === 'waiting for approval', PATIENCE_MS);
  return (await progress()).waitsFor ?? '';
}

const hashIn = (text: string): string => /--plan ([0-9a-f]{64})/.exec(text)?.[1] ?? '';

const operator = (...args: string[]): ReturnType<typeof rstow> => rstow([...args, '--address', address], { RSTOW_KEY_FILE: keyFile });

async function isLocked(): Promise<boolean> {
  const lock = temporal.client.workflow.getHandle(lockWorkflowId(DATABASE));
  return (await lock.describe()).status.name === 'RUNNING';
}

async function expectUntouched(before: DatabaseState): Promise<void> {
  expect(await databaseState(stack.dataDir)).toEqual(before);
  expect(await isLocked()).toBe(false);
}

describe.runIf(process.getuid?.() === 0)('user nobody on the host', () => {
  it('starts a restore that touches nothing and waits until an operator approves it', async () => {
    const before = await databaseState(stack.dataDir);
    await startAsNobody('restore', 'by-nobody', input);
    const run = temporal.client.workflow.getHandle('by-nobody');
    const hash = hashIn(await waitsFor(run));
    await expectUntouched(before);

    const update = ['workflow', 'update', 'execute', '-w', 'by-nobody', '--name', 'approve', '--input'];
    await expect(temporalAsNobody(...update, JSON.stringify({ planHash: hash, by: 'root@host' }))).rejects.toThrow(
      /the approval is not signed/,
    );
    await expectUntouched(before);

    const approved = await operator('approve', 'by-nobody', '--plan', hash);
    expect(approved, approved.stderr).toMatchObject({ exitCode: 0 });
    expect(await run.result()).toMatchObject({ timeline: '0002', planHash: hash } satisfies Partial<RestoreResult>);
  });

  it('gets nowhere by starting the step itself that swaps the data', async () => {
    const before = await databaseState(stack.dataDir);
    const installationId = (await readFile(join(stack.folder, 'up/installation-id'), 'utf8')).trim();
    const step = {
      database: DATABASE,
      repository: 'local',
      planKey: 'none',
      planHash: '',
      swap: { oldWal: null, newWal: { inode: '1' }, stagedWal: 'x', replacedDir: 'y' },
    };
    const start = [
      'activity',
      'execute',
      '-o',
      'json',
      '--activity-id',
      'swap',
      '--type',
      'swapIn',
      '--task-queue',
      slotQueue(installationId, 'steps'),
    ];
    const run = temporalAsNobody(...start, '--start-to-close-timeout', '20s', '--input', JSON.stringify(step));
    await expect(run).rejects.toMatchObject({ stdout: expect.stringContaining('signature-refused') as string });
    await expectUntouched(before);
  });

  it('can’t read the operator’s key', async () => {
    const read = promisify(execFile)('/bin/cat', [keyFile], { uid: NOBODY, gid: NOBODY, cwd: '/' });
    await expect(read).rejects.toThrow(/Permission denied/);
  });

  it('asks for a recovery by the signal, which waits, takes no lock, and can be denied', async () => {
    const before = await databaseState(stack.dataDir);
    const request = JSON.stringify({ database: DATABASE, force: true });
    const id = recoveryWorkflowId(DATABASE);
    const start = ['workflow', 'signal-with-start', '--task-queue', WORKFLOW_QUEUE, '--type', 'disasterRecovery', '--workflow-id', id];
    await temporalAsNobody(...start, '--input', request, '--signal-name', 'requestRecovery', '--signal-input', request);
    const run = temporal.client.workflow.getHandle(id);
    expect(await waitsFor(run)).toContain(`an operator’s signed \`rstow approve ${id} --plan `);
    await expectUntouched(before);
    expect(await operator('deny', id, '--reason', 'the database is fine')).toMatchObject({ exitCode: 0 });
    await expect(run.result()).rejects.toMatchObject({ cause: { type: 'approval-denied' } });
    await expectUntouched(before);
  });
});

describe('an operator', () => {
  it('restores without any ceremony, and again if the run is reset', async () => {
    const restored = await operator('restore', DATABASE, '--yes');
    expect(restored, restored.stderr).toMatchObject({ exitCode: 0 });
    const workflowId = /^started (\S+)$/m.exec(restored.stderr)?.[1] ?? '';
    await temporalAsOperator('workflow', 'reset', '-w', workflowId, '--type', 'FirstWorkflowTask', '--reason', 'once more');
    expect(await temporal.client.workflow.getHandle(workflowId).result()).toMatchObject({ label: expect.any(String) as string });
  });

  it('can’t have a signature used by anybody else for a second run', async () => {
    const { workflowId, memo } = await lastRestore();
    await temporal.client.workflow.start('restore', { taskQueue: WORKFLOW_QUEUE, workflowId, args: [await inputOf(workflowId)], memo });
    const run = temporal.client.workflow.getHandle(workflowId);
    expect(await waitsFor(run)).toMatch(/and it is good for one run only/);
    await run.terminate();
  });

  it('is nobody whose key the agent doesn’t know', async () => {
    const workflowId = 'forged';
    const stranger = operatorKeyOf(newPrivateKeyText(), 'stranger.key');
    const signature = stranger.sign({ purpose: 'start', workflowType: 'restore', workflowId, input }, Date.now());
    await temporal.client.workflow.start('restore', {
      taskQueue: WORKFLOW_QUEUE,
      workflowId,
      args: [input],
      memo: { [SIGNATURE_MEMO]: signature },
    });
    const run = temporal.client.workflow.getHandle(workflowId);
    expect(await waitsFor(run)).toMatch(/is not one of this agent's operators \(this-host\)/);
    await run.terminate();
  });
});

it('the webhook signs what its callers ask for: a recovery goes on by itself', async () => {
  await stack.service.stop();
  const alerts = [{ status: 'firing', labels: { alertname: 'Gone', rstow_database: DATABASE } }];
  const headers = { authorization: `Bearer ${TOKEN}` };
  const answer = await fetch(`http://${webhook}/recovery`, { method: 'POST', headers, body: JSON.stringify({ version: '4', alerts }) });
  expect(answer.status).toBe(202);
  const result: unknown = await temporal.client.workflow.getHandle(recoveryWorkflowId(DATABASE)).result();
  expect(result).toMatchObject({ database: DATABASE, outcome: expect.not.stringMatching('not-needed') as string });
});

it('nothing of a private key is in a history, a memo, or what the agent says', async () => {
  const secret = (await readFile(keyFile, 'utf8')).split('\n')[1]!;
  expect(secret.length).toBeGreaterThan(40);
  const { workflowId, memo } = await lastRestore();
  const history = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  const seen = [up.stdout(), up.stderr(), JSON.stringify(memo), textOfHistory(history)];
  // The search would see it: what is no secret is found.
  expect(seen.at(-1)).toContain(`"database":"${DATABASE}"`);
  expect(seen.filter((text) => text.includes(secret))).toEqual([]);
});

async function temporalAsOperator(...args: string[]): Promise<void> {
  await promisify(execFile)(toolPath('temporal'), [...args, '--address', address]);
}

async function lastRestore(): Promise<{ workflowId: string; memo: Record<string, unknown> }> {
  for await (const { workflowId, memo } of temporal.client.workflow.list({ query: `WorkflowType = 'restore'` })) {
    if (memo?.[SIGNATURE_MEMO] !== undefined) return { workflowId, memo };
  }
  throw new Error('no restore was signed');
}

/** What the first run of that id was started with. */
async function inputOf(workflowId: string): Promise<object> {
  const { events } = await temporal.client.workflow.getHandle(workflowId).fetchHistory();
  const payload = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0];
  return JSON.parse(Buffer.from(payload?.data ?? []).toString('utf8')) as object;
}
