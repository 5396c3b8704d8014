/** Agents of several contracts at one Temporal: which one new runs get, and what becomes of a run that no agent knows. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { parse, stringify } from 'yaml';
import { afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { buildIdOf, CONTRACT_NUMBER, DEPLOYMENT_NAME, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type AgentScene, makeAgentScene } from '../integration/worker/agent-scene.ts';

const OTHER = CONTRACT_NUMBER + 6;

/** temporal.api.enums.v1.VersioningBehavior */
const PINNED = 1;

let scene: AgentScene;
let stack: DatabaseStack;
let client: Client;

beforeAll(() => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
});

beforeEach(async () => {
  scene = await makeAgentScene();
  stack = await makeDatabaseStack({ temporalAddress: scene.address, namespace: scene.namespace });
  client = new Client({ connection: scene.connection, namespace: scene.namespace });
});

afterEach(async () => {
  await scene.close();
  await stack.remove();
});

async function currentBuildId(): Promise<string | undefined> {
  const request = { namespace: scene.namespace, deploymentName: DEPLOYMENT_NAME };
  const { workerDeploymentInfo } = await scene.connection.workflowService.describeWorkerDeployment(request);
  return workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId ?? undefined;
}

async function impatientConfig(): Promise<string> {
  const config = parse(await readFile(stack.configFile, 'utf8')) as { timing: object };
  const configFile = join(stack.folder, 'impatient.yaml');
  await writeFile(configFile, stringify({ ...config, timing: { ...config.timing, contractGoneMs: 2_000 } }));
  return configFile;
}

async function setCurrent(contract: number): Promise<void> {
  const version = { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(contract) };
  const request = { namespace: scene.namespace, ...version, allowNoPollers: true };
  await scene.connection.workflowService.setWorkerDeploymentCurrentVersion(request);
}

/** Workflows as an agent of that contract would run them. */
async function serveContract(contract: number): Promise<{ stop: () => Promise<void> }> {
  const connection = await NativeConnection.connect({ address: scene.address });
  const worker = await Worker.create({
    connection,
    namespace: scene.namespace,
    taskQueue: WORKFLOW_QUEUE,
    workflowBundle: { codePath: inject('workflowBundlePath') },
    workerDeploymentOptions: {
      version: { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(contract) },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'PINNED',
    },
  });
  const running = worker.run();
  return {
    stop: async () => {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}

test('new runs get the contract of the agent, and stay with it', async () => {
  await scene.start(stack.configFile);
  expect(await currentBuildId()).toBe(buildIdOf(CONTRACT_NUMBER));
  const run = await client.workflow.start('listBackups', {
    taskQueue: WORKFLOW_QUEUE,
    workflowId: 'list',
    args: [{ database: DATABASE }],
  });
  await run.result();
  const { raw } = await run.describe();
  expect(raw.workflowExecutionInfo?.versioningInfo).toMatchObject({
    behavior: PINNED,
    deploymentVersion: { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(CONTRACT_NUMBER) },
  });
});

test('ends a run whose contract no agent knows any more, and leaves one alone whose agent answers', async () => {
  const other = await serveContract(OTHER);
  await setCurrent(OTHER);
  const run = await client.workflow.start('lockDatabase', { taskQueue: WORKFLOW_QUEUE, workflowId: 'rstow/lock/orders' });
  await waitUntil('the run has begun with the other contract', async () => {
    const { raw } = await run.describe();
    return raw.workflowExecutionInfo?.versioningInfo?.deploymentVersion?.buildId === buildIdOf(OTHER);
  });
  const agent = await scene.start(await impatientConfig());
  await sleep(6_000);
  expect((await run.describe()).status.name).toBe('RUNNING');
  expect(await currentBuildId()).toBe(buildIdOf(OTHER));
  expect(agent.logText()).toContain('new runs go to agents of a newer rstow');

  await other.stop();
  await expect(run.result()).rejects.toMatchObject({
    cause: { message: expect.stringMatching(/^agent-version-unsupported: /) as unknown },
  });
  expect(agent.logText()).toContain(`no agent of contract ${OTHER}, with which this run began`);
});

test('takes new runs over where no agent of a higher contract is left', async () => {
  await setCurrent(OTHER);
  await scene.start(await impatientConfig());
  await waitUntil('new runs get the agent’s contract', async () => (await currentBuildId()) === buildIdOf(CONTRACT_NUMBER));
});
