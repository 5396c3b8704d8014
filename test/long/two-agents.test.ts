import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import type { Owner } from '../../src/formats/repository/history.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { databaseQueue, SLOT_KINDS, slotQueue } from '../../src/contract/names.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE } from '../support/database-stack.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { failureOfRun } from '../support/run-failure.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';

/** How long a step waits in vain, so that whoever wrongly polls its queue would have taken it. */
const WAIT_IN_VAIN_MS = 4000;
const START_DEADLINE_MS = 20_000;

type Hosted = { name: string; stateDir: string; configFile: string; agent: AgentProcess };

let scene: Omit<Scene, 'agent'>;
let hosts: Hosted[];

beforeAll(async () => {
  scene = await openSceneWithoutAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  const load = await startLoadWriters({ address: scene.stack.address, writers: 4 });
  await load.acknowledgedAtLeast(500);
  await load.stop();
  hosts = await Promise.all(['db1', 'db2'].map((name) => host(name, join(scene.stack.folder, `agent-${name}`))));
});
afterAll(() => scene.close());

async function host(name: string, stateDir: string): Promise<Hosted> {
  const configFile = await scene.stack.writeConfig({ name, stateDir });
  return { name, stateDir, configFile, agent: await scene.startAgent(configFile) };
}

async function owners(): Promise<Owner[]> {
  const folder = join(scene.stack.repositoryDir, 'databases', DATABASE, 'owner');
  const objects = (await readdir(folder)).map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as { content: Owner });
  return (await Promise.all(objects)).map(({ content }) => content);
}

async function owner(): Promise<{ record: Owner; host: Hosted }> {
  const [record] = await owners();
  return { record: record!, host: hosts.find(({ name }) => name === record!.agent)! };
}

type Step = { activity: string; queue: string; identity: string | undefined };

/** Every step of a run, on which queue it was put, and which process took it, where one did. */
async function stepsOf(run: WorkflowHandle): Promise<Step[]> {
  const { events } = await run.fetchHistory();
  return events!.flatMap(({ eventId, activityTaskScheduledEventAttributes: scheduled }) => {
    if (!scheduled) return [];
    const started = events!.find(({ activityTaskStartedEventAttributes: of }) => of && String(of.scheduledEventId) === String(eventId));
    const identity = started?.activityTaskStartedEventAttributes?.identity ?? undefined;
    return [{ activity: scheduled.activityType!.name!, queue: scheduled.taskQueue!.name!, identity }];
  });
}

/** Of all steps but the question for the owner: their queue and their process are those of this one installation. */
async function expectAllStepsOn(run: WorkflowHandle, { record, pids }: { record: Owner; pids: number[] }): Promise<void> {
  const [locate, ...pinned] = await stepsOf(run);
  expect(locate).toMatchObject({ activity: 'locateDatabase', queue: databaseQueue(DATABASE) });
  expect(pinned.length).toBeGreaterThan(5);
  const queues = SLOT_KINDS.map((kind) => slotQueue(record.installationId, kind));
  for (const { queue } of pinned) expect(queues).toContain(queue);
  for (const { identity } of pinned) expect(pids.map((pid) => `${record.agent} (${pid}@`)).toContain(identity?.split('@')[0]?.concat('@'));
}

describe('two agents that list the same database', () => {
  it('started at once, come to one owner', async () => {
    const records = await owners();
    expect(records).toMatchObject([{ generation: 1, timeline: '0001' }]);
    expect(['db1', 'db2']).toContain(records[0]!.agent);
  });

  it('never mix: each run’s steps are all the owner’s', async () => {
    const { record, host: at } = await owner();
    for (let round = 1; round <= 3; round += 1) {
      const run = await scene.temporal.start('hotBackup', { database: DATABASE });
      expect(((await run.result()) as HotBackupResult).outcome).toBe('done');
      await expectAllStepsOn(run, { record, pids: [at.agent.pid] });
    }
  });
});

describe('an agent with the owner’s name and another installation', () => {
  it('gets none of a run’s pinned steps, even while their owner is dead', async () => {
    const { record, host: at } = await owner();
    const twin = await host(at.name, join(scene.stack.folder, 'agent-twin'));
    const run = await scene.temporal.start('hotBackup', { database: DATABASE });
    await pinnedStepStarted(run);
    await at.agent.kill('SIGKILL');
    await sleep(WAIT_IN_VAIN_MS);
    expect((await run.describe()).status.name).toBe('RUNNING');
    const again = await scene.startAgent(at.configFile);
    expect(((await run.result()) as HotBackupResult).outcome).toBe('done');
    await expectAllStepsOn(run, { record, pids: [at.agent.pid, again.pid] });
    at.agent = again;
    expect(twin.agent.logText()).toContain(`installation ${record.installationId}) owns it`);
    expect(await owners()).toHaveLength(1);
  });

  it('makes a run that names it fail, for nobody knows which of the two is meant', async () => {
    const { record } = await owner();
    const to = { dataDir: join(scene.stack.folder, 'elsewhere'), agent: record.agent };
    for (const [type, input] of [
      ['restore', { backup: 'latest', to }],
      ['testRecovery', { agent: record.agent }],
    ] as const) {
      const failure = await failureOfRun(scene.temporal.execute(type, { database: DATABASE, ...input }));
      expect(failure).toMatchObject({ code: 'invalid-input', details: { agent: record.agent } });
      expect(failure.sentence).toContain(`two agents are called "${record.agent}", installations `);
      expect(failure.sentence).toContain(record.installationId);
      expect(failure.details['installations']).toHaveLength(2);
    }
  });
});

describe('a copy of the owner’s state directory', () => {
  it('ends its agent before anything is written', async () => {
    const { host: at } = await owner();
    const stateDir = join(scene.stack.folder, 'agent-copy');
    await cp(at.stateDir, stateDir, { recursive: true });
    const before = await folderHashes(scene.stack.repositoryDir);
    const configFile = await scene.stack.writeConfig({ name: at.name, stateDir });
    const bundle = { workflowBundlePath: inject('workflowBundlePath') };
    const copy = await startAgent({ configFile, ...bundle, waitsForReady: false });
    expect(await copy.ended).toBe(14);
    expect(copy.logText()).toContain('installation-cloned');
    expect(await folderHashes(scene.stack.repositoryDir)).toEqual(before);
  });
});

describe('an owner that gets another name', () => {
  it('goes on with the run that it had begun under the old one', async () => {
    const { record, host: at } = await owner();
    const run = await scene.temporal.start('hotBackup', { database: DATABASE });
    await pinnedStepStarted(run);
    await at.agent.kill('SIGKILL');
    const renamed = await host('renamed', at.stateDir);
    expect(((await run.result()) as HotBackupResult).outcome).toBe('done');
    const { identity } = (await stepsOf(run)).at(-1)!;
    expect(identity).toMatch(new RegExp(`^renamed \\(${renamed.agent.pid}@`));
    expect((await owners()).at(-1)).toMatchObject({ installationId: record.installationId });
  });
});

async function pinnedStepStarted(run: WorkflowHandle): Promise<void> {
  const deadlineMs = Date.now() + START_DEADLINE_MS;
  while ((await stepsOf(run)).length < 2) {
    if (Date.now() > deadlineMs) throw new Error('the run has not come to its first pinned step');
    await sleep(20);
  }
}
