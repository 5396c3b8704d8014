/** Many services ask for a recovery at once, in the words of docs/integrations.md. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { currentOwner } from '../../src/store/ownership.ts';
import { readTimelines } from '../../src/store/timelines.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { ABORT_SIGNAL, REQUEST_RECOVERY_SIGNAL } from '../../src/contract/messages.ts';
import { PROGRESS_QUERY, recoveryWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WORKFLOW_ID = recoveryWorkflowId(DATABASE);

let scene: Scene;
let stack: DatabaseStack;
let page: string;
let backup: HotBackupResult;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, database: { approval: { for: ['disasterRecovery'] } } });
  ({ stack } = scene);
  const text = await readFile(join(ROOT, 'docs/integrations.md'), 'utf8');
  page = text.replaceAll('127.0.0.1:7233', scene.temporalAddress).replaceAll(/--namespace default|namespace: 'default'/g, namespaced);
  const load = await startLoadWriters({ address: stack.address, writers: 4 });
  await load.acknowledgedAtLeast(1000);
  await load.stop();
  backup = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
});
afterAll(() => scene.close());

const namespaced = (text: string): string => text.replace('default', scene.namespace);

/** The code under a heading of the page. */
function codeOf(heading: string): string {
  return page
    .split(`\n## ${heading}\n`)[1]!
    .split('\n## ')[0]!
    .match(/^```\w+\n([^]*?)^```$/m)![1]!;
}

function request(): Promise<WorkflowHandle & { signaledRunId: string }> {
  const input = { database: DATABASE, requestedBy: 'test' };
  return scene.temporal.client.workflow.signalWithStart('disasterRecovery', {
    ...{ workflowId: WORKFLOW_ID, taskQueue: WORKFLOW_QUEUE, args: [input] },
    ...{ signal: REQUEST_RECOVERY_SIGNAL, signalArgs: [input] },
  });
}

const requestAtOnce = (count: number): Promise<(WorkflowHandle & { signaledRunId: string })[]> =>
  Promise.all(Array.from({ length: count }, request));

async function waitsForApproval(runId: string): Promise<string> {
  const handle = scene.temporal.client.workflow.getHandle(WORKFLOW_ID, runId);
  let progress: Progress | undefined;
  await waitUntil(
    'it waits for approval',
    async () => (progress = await handle.query<Progress>(PROGRESS_QUERY)).phase === 'waiting for approval',
    60_000,
  );
  return /"planHash": "([0-9a-f]+)"/.exec(progress?.waitsFor ?? '')![1]!;
}

async function generation(): Promise<number> {
  return (await currentOwner(await stack.openRepository(), DATABASE))!.generation;
}

async function timelines(): Promise<string[]> {
  return [...(await readTimelines(await stack.openRepository(), DATABASE)).keys()];
}

it('makes one recovery of twenty requests at once and of those that come while it is at work', async () => {
  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  const handles = await requestAtOnce(20);
  const runId = handles[0]!.signaledRunId;
  expect(new Set(handles.map(({ signaledRunId }) => signaledRunId))).toEqual(new Set([runId]));
  const planHash = await waitsForApproval(runId);
  const code = join(await placeWithClient(), 'request.ts');
  await writeFile(code, codeOf('From TypeScript'));
  const fromTypeScript = promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', code]);
  const path = `${join(toolPath('temporal'), '..')}:${process.env['PATH'] ?? ''}`;
  const fromShell = promisify(execFile)('sh', ['-euc', codeOf('With the Temporal CLI')], { env: { ...process.env, PATH: path } });
  await waitUntil('both of the page’s programs have asked', async () => (await requests(runId)) === 22, 60_000);
  await handles[0]!.executeUpdate('approve', { args: [{ planHash, by: 'somebody else' }] });
  const result = (await handles[0]!.result()) as DisasterRecoveryResult;
  expect(result).toMatchObject({ outcome: 'done', generation: 2, timeline: '0002', laterRequests: 21, stateDigest: backup.stateDigest });
  expect((await fromTypeScript).stdout).toMatch(/^done \{/);
  expect((await fromShell).stdout).toContain('COMPLETED');
  expect(await timelines()).toEqual(['0001', '0002']);
  expect(await generation()).toBe(2);
  const live = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(backup.stateDigest);
});

/** A folder of a service that has rstow's client installed: these very sources. */
async function placeWithClient(): Promise<string> {
  const folder = await mkdtemp(join(stack.folder, 'service-'));
  const installed = join(folder, 'node_modules/rstow');
  await mkdir(installed, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"type": "module"}');
  await writeFile(join(installed, 'package.json'), '{"type": "module", "exports": {"./*": "./*.js"}}');
  for (const [name, source] of [
    ['client', 'src/client/rstow-client.ts'],
    ['contract', 'src/contract/index.ts'],
  ] as const) {
    await writeFile(join(installed, `${name}.js`), `export * from '${pathToFileURL(join(ROOT, source)).href}';\n`);
  }
  return folder;
}

/** The signals in the run's history. */
async function requests(runId: string): Promise<number> {
  const { events } = await scene.temporal.client.workflow.getHandle(WORKFLOW_ID, runId).fetchHistory();
  return (events ?? []).filter(({ workflowExecutionSignaledEventAttributes: signaled }) => signaled?.signalName === REQUEST_RECOVERY_SIGNAL)
    .length;
}

it('answers requests that come after it with runs that find nothing to do', async () => {
  const handles = await requestAtOnce(20);
  const runIds = [...new Set(handles.map(({ signaledRunId }) => signaledRunId))];
  for (const runId of runIds) {
    const result = (await scene.temporal.client.workflow.getHandle(WORKFLOW_ID, runId).result()) as DisasterRecoveryResult;
    expect(result).toEqual({
      outcome: 'not-needed',
      runId,
      database: DATABASE,
      warnings: [expect.objectContaining({ code: 'not-needed' })],
    });
  }
  expect(await timelines()).toEqual(['0001', '0002']);
  expect(await generation()).toBe(2);
});

it('ends a recovery that is aborted before the swap, with the database untouched and free', async () => {
  const run = await scene.temporal.start('disasterRecovery', { database: DATABASE, force: true });
  await waitUntil(
    'it waits for approval',
    async () => (await run.query<Progress>(PROGRESS_QUERY)).phase === 'waiting for approval',
    60_000,
  );
  await run.signal(ABORT_SIGNAL);
  await expect(run.result()).rejects.toMatchObject({
    cause: { type: 'cancelled', message: 'cancelled: the recovery was aborted at: waiting for approval' },
  });
  expect(await generation()).toBe(2);
  const next = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(next).toMatchObject({ outcome: 'done', timeline: '0002' });
});
