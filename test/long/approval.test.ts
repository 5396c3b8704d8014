import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { currentOwner } from '../../src/store/ownership.ts';
import { readTimelines } from '../../src/store/timelines.ts';
import { lockWorkflowId } from '../../src/contract/names.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { readTimelineFile } from '../../src/io/data-directory/rstow-folder.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { databaseState, expectNothingLeft } from '../support/database-witness.ts';
import { filesBelow, folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { createRunRegistry } from '../../src/worker/temporal/run-registry.ts';
import { resetRun } from '../support/reset-run.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';
import { waitUntil } from '../support/wait-until.ts';

const APPROVAL = { for: ['restore', 'pointInTimeRecovery', 'disasterRecovery'], expiresMs: 15_000 };

let scene: Scene;
/** Stands by, and has nothing yet. */
let host: DatabaseStack;
let hostAgent: AgentProcess;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, database: { approval: APPROVAL } });
  host = await makeStandbyHost(scene.stack);
  hostAgent = await scene.startAgent(host.configFile);
  const load = await startLoadWriters({ address: scene.stack.address, writers: 2 });
  await load.acknowledgedAtLeast(200);
  await load.stop();
  await scene.temporal.execute('hotBackup', { database: DATABASE });
});

afterAll(async () => {
  await host.remove();
  await scene.close();
});

/** The recovery is onto the host that stands by, although the database is up. */
const INPUTS = { restore: { backup: 'latest' }, pointInTimeRecovery: { target: { latest: true } }, disasterRecovery: { force: true } };
type Type = keyof typeof INPUTS;
const TYPES: readonly Type[] = ['restore', 'pointInTimeRecovery', 'disasterRecovery'];

/** A run that waits, and the hash of its plan. */
async function waiting(type: Type): Promise<{ handle: WorkflowHandle; planHash: string }> {
  const handle = await scene.temporal.start(type, { database: DATABASE, requestedBy: 'ann', ...INPUTS[type] });
  await waitUntil(
    `the ${type} waits for approval`,
    async () => (await handle.query<{ phase: string }>('progress')).phase === 'waiting for approval',
  );
  const { waitsFor } = await handle.query<{ waitsFor: string }>('progress');
  return { handle, planHash: /"planHash": "([0-9a-f]{64})"/.exec(waitsFor)?.[1] ?? '' };
}

type Everything = { timelines: number } & Record<string, unknown>;

/** Everything that a run could touch, but for what it notes down of itself. */
async function everything(): Promise<Everything> {
  const { dataDir, repositoryDir } = scene.stack;
  const repository = await scene.stack.openRepository();
  const files = [...(await folderHashes(repositoryDir))];
  return {
    database: await databaseState(dataDir),
    owner: await currentOwner(repository, DATABASE),
    repository: files.filter(([path]) => !/^(\.tmp|databases\/orders\/(plans|timelines))\b/.test(path)),
    timelines: (await readTimelines(repository, DATABASE)).size,
    timelineOfData: (await readTimelineFile(scene.stack.walDir))?.timeline,
    standby: await filesBelow(host.dataDir),
    lock: await isLocked(),
  };
}

async function isLocked(): Promise<boolean> {
  const lock = scene.temporal.client.workflow.getHandle(lockWorkflowId(DATABASE));
  return (await lock.describe()).status.name === 'RUNNING';
}

/** A recovery has fetched its data before it asks: the number of a timeline that nobody uses stays taken. */
async function expectNothingTouched(before: Everything, types: readonly Type[]): Promise<void> {
  const unused = types.filter((type) => type === 'disasterRecovery').length;
  expect(await everything()).toEqual({ ...before, timelines: before.timelines + unused });
  await expectNothingLeft(scene.stack.dataDir);
}

it.each(TYPES)(
  'takes for a %s no approval by the one who asked, nor of another plan, and ends denied with nothing touched',
  async (type) => {
    const before = await everything();
    const { handle, planHash } = await waiting(type);
    await expect(handle.executeUpdate('approve', { args: [{ planHash, by: 'ann' }] })).rejects.toMatchObject({
      cause: { type: 'approval-denied' },
    });
    const other = 'f'.repeat(64);
    await expect(handle.executeUpdate('approve', { args: [{ planHash: other, by: 'bob' }] })).rejects.toMatchObject({
      cause: { type: 'approval-denied' },
    });
    await handle.executeUpdate('deny', { args: [{ by: 'bob', reason: 'wrong database' }] });
    await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'approval-denied' } });
    await expectNothingTouched(before, [type]);
  },
);

it('expires where nobody decides, a restore and a recovery, with nothing touched', async () => {
  const before = await everything();
  const runs = await Promise.all(TYPES.map(waiting));
  for (const { handle } of runs) await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'approval-expired' } });
  await expectNothingTouched(before, TYPES);
});

it('goes on when another person approves the plan, though the agent was killed meanwhile', async () => {
  const { plain, writeConfig } = scene.stack;
  // The new agent needs its time to start.
  const patient = await writeConfig(plain.agent, { approval: { ...APPROVAL, expiresMs: 180_000 } });
  await scene.agent.kill();
  const agent = await scene.startAgent(patient);
  const { handle, planHash } = await waiting('restore');
  await agent.kill('SIGKILL');
  await scene.startAgent(patient);
  await handle.executeUpdate('approve', { args: [{ planHash, by: 'bob' }] });
  const result = (await handle.result()) as RestoreResult;
  expect(result).toMatchObject({ outcome: 'done', fromTimeline: '0001', timeline: expect.not.stringMatching('0001') as string });
  expect((await everything())['timelineOfData']).toBe(result.timeline);
});

it('goes on with what it has fetched, and leaves none of it, where a recovery that waits is reset', async () => {
  const approval = { ...APPROVAL, expiresMs: 180_000 };
  await hostAgent.kill();
  await scene.startAgent(await host.writeConfig(host.plain.agent, { approval }));
  const { handle, planHash } = await waiting('disasterRecovery');
  const fetched = await filesBelow(join(host.dataDir, '.rstow', 'restores'));
  expect(fetched.length).toBeGreaterThan(0);
  const { runId } = await handle.describe();
  const goesOn = await resetRun(scene.temporal.client, handle);
  const connection = await NativeConnection.connect({ address: inject('temporalAddress') });
  onTestFinished(() => connection.close());
  const { namespace } = scene.temporal.client.options;
  const runs = createRunRegistry({ connection, namespace, clusterId: 'any' });
  expect(await runs.runState(runId, handle.workflowId)).toBe('open');
  await goesOn.executeUpdate('approve', { args: [{ planHash, by: 'bob' }] });
  const result = (await goesOn.result()) as DisasterRecoveryResult;
  expect(result).toMatchObject({ agent: host.config.agent.name, planHash, fromTimeline: expect.any(String) as string });
  expect(result.runId).not.toBe(runId);
  expect(await runs.runState(runId, handle.workflowId)).toBe('closed');
  expect(await filesBelow(join(host.dataDir, '.rstow', 'restores'))).toEqual([]);
});
