import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, test } from 'vitest';
import { isSameProcessAlive, processStartTicks } from '../../src/io/process/proc.ts';
import { SEARCH_ATTRIBUTES } from '../../src/contract/names.ts';
import { startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { connectTestClient } from '../support/run-workflow.ts';
import { startTemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type AgentScene, makeAgentScene } from '../integration/worker/agent-scene.ts';
import { freezeProcess } from '../support/freeze-process.ts';

/** temporal.api.enums.v1.IndexedValueType */
const INTEGER = 3;

let scene: AgentScene;
let stack: DatabaseStack;

beforeAll(async () => {
  scene = await makeAgentScene();
});

afterAll(() => scene.close());

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: scene.address, namespace: scene.namespace });
});

afterEach(async () => {
  await scene.endAgents();
  await stack.remove();
});

test('says one line when it is ready, and ends with 0 on SIGTERM, SIGINT and SIGHUP', async () => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const agent = await scene.start(stack.configFile);
    expect(agent.outputText()).toBe('agent db1 ready\n');
    expect(await agent.kill(signal)).toBe(0);
  }
});

test('refuses a second agent of the same state directory, and names the first', async () => {
  const first = await scene.start(stack.configFile);
  const second = await scene.start(stack.configFile, { waitsForReady: false });
  expect(await second.ended).toBe(14);
  expect(second.logText()).toContain(`error: agent-already-running: process ${first.pid}`);
  expect(second.outputText()).toBe('');
});

test('says why it can’t start if it was given no workflows, and not that some of it had started', async () => {
  const workflowBundlePath = '/nonexistent/workflow-bundle.js';
  const agent = await startAgent({ configFile: stack.configFile, workflowBundlePath, waitsForReady: false });
  expect(await agent.ended).toBe(1);
  expect(agent.logText()).toContain(`no such file or directory, open '${workflowBundlePath}'`);
  expect(agent.logText()).not.toContain('Cannot close connection');
});

test('replaces an agent that is frozen', async () => {
  const frozen = await scene.start(stack.configFile);
  const identity = { pid: frozen.pid, startTicks: (await processStartTicks(frozen.pid))! };
  await freezeProcess(frozen.pid);
  await scene.start(stack.configFile);
  expect(await isSameProcessAlive(identity)).toBe(false);
  expect(await frozen.ended).toBe('SIGKILL');
});

test('adds the search attributes, so that runs can be found by database', async () => {
  await scene.start(stack.configFile);
  const { customAttributes } = await scene.connection.operatorService.listSearchAttributes({ namespace: scene.namespace });
  for (const name of Object.values(SEARCH_ATTRIBUTES)) expect(customAttributes[name]).toBe(2);
  const temporal = await connectTestClient(scene.address, scene.namespace);
  try {
    const { runId } = await temporal.execute<{ runId: string }>('listBackups', { database: DATABASE });
    await waitUntil('the run is found by its attributes', async () => {
      const query = `RstowDatabase = '${DATABASE}' AND RstowOperation = 'listBackups' AND RstowOutcome = 'done'`;
      const found = await temporal.client.workflow.list({ query })[Symbol.asyncIterator]().next();
      return found.done !== true && found.value.runId === runId;
    });
  } finally {
    await temporal.close();
  }
});

test('runs without search attributes where the namespace has one of another type', async () => {
  const foreign = await makeAgentScene();
  try {
    const searchAttributes = Object.fromEntries([[SEARCH_ATTRIBUTES.outcome, INTEGER]]);
    await foreign.connection.operatorService.addSearchAttributes({ namespace: foreign.namespace, searchAttributes });
    const text = (await readFile(stack.configFile, 'utf8')).replace(scene.namespace, foreign.namespace);
    await writeFile(stack.configFile, text);
    const agent = await foreign.start(stack.configFile);
    expect(agent.logText()).toMatch(/RstowOutcome.*none are set/);
    const temporal = await connectTestClient(foreign.address, foreign.namespace);
    expect(await temporal.execute('listBackups', { database: DATABASE })).toMatchObject({ outcome: 'done', total: 0 });
    await temporal.close();
  } finally {
    await foreign.close();
  }
});

test('refuses a config file in one sentence with a hint', async () => {
  await writeFile(stack.configFile, 'databases: {}\n');
  const agent = await scene.start(stack.configFile, { waitsForReady: false });
  expect(await agent.ended).toBe(2);
  expect(agent.logText()).toBe(
    `error: invalid-config: ${stack.configFile}: repositories is missing\nhint: Correct the file. docs/configuration.md describes every key.\n`,
  );
});

test('waits for a Temporal that is away, and works on when one is killed and comes back', async () => {
  const server = await startTemporalServer();
  try {
    await server.kill();
    const text = (await readFile(stack.configFile, 'utf8')).replace(scene.address, server.address).replace(scene.namespace, 'default');
    await writeFile(stack.configFile, text);
    const agent = await startAgent({
      configFile: stack.configFile,
      workflowBundlePath: inject('workflowBundlePath'),
      waitsForReady: false,
    });
    try {
      await waitUntil('it says that it waits', () => agent.logText().includes('waiting for Temporal'));
      await server.start();
      await waitUntil('it is ready', () => agent.outputText() === 'agent db1 ready\n');
      await server.kill();
      await server.start();
      const temporal = await connectTestClient(server.address);
      expect(await temporal.execute('listBackups', { database: DATABASE })).toMatchObject({ outcome: 'done' });
      await temporal.close();
      expect(await agent.kill()).toBe(0);
    } finally {
      await agent.kill('SIGKILL');
    }
  } finally {
    await server.stop();
  }
});

test('can be ended while it waits for Temporal', async () => {
  const text = (await readFile(stack.configFile, 'utf8')).replace(scene.address, '127.0.0.1:1');
  await writeFile(stack.configFile, text);
  const agent = await scene.start(stack.configFile, { waitsForReady: false });
  await waitUntil('it says that it waits', () => agent.logText().includes('waiting for Temporal'));
  expect(await agent.kill()).toBe(0);
});
