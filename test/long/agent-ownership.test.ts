import { readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { currentOwner } from '../../src/store/ownership.ts';
import { readTimelines } from '../../src/store/timelines.ts';
import { agentQueue, databaseQueue, SLOT_KINDS, slotQueue } from '../../src/contract/names.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type AgentScene, makeAgentScene } from '../integration/worker/agent-scene.ts';

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

async function polls(agent: AgentProcess, queue: string): Promise<boolean> {
  return (await scene.pollers(queue)).some((identity) => identity.startsWith(`db1 (${agent.pid}@${hostname()}) `));
}

async function agentNamed(name: string, state: string): Promise<string> {
  return stack.writeConfig({ name, stateDir: join(stack.folder, state) });
}

test('claims a database that nobody owns, with its first timeline, and polls its queue', async () => {
  const agent = await scene.start(stack.configFile);
  const repository = await stack.openRepository();
  const owner = await currentOwner(repository, DATABASE);
  expect(owner).toMatchObject({ agent: 'db1', generation: 1, timeline: '0001', temporal: { namespace: scene.namespace } });
  expect((await readTimelines(repository, DATABASE)).get('0001')).toMatchObject({ parent: null, why: 'first', generation: 1 });
  const slots = SLOT_KINDS.map((kind) => slotQueue(owner!.installationId, kind));
  for (const queue of [databaseQueue(DATABASE), agentQueue('db1'), ...slots]) {
    await waitUntil(`the agent polls ${queue}`, () => polls(agent, queue));
  }
});

test('serves a database although something odd is wrong with another', async () => {
  const config = parse(await readFile(stack.configFile, 'utf8')) as { databases: Record<string, object> };
  const loop = join(stack.folder, 'loop');
  await symlink(loop, loop);
  const odd = { ...config.databases[DATABASE], dataDir: loop };
  const configFile = join(stack.folder, 'two.yaml');
  await writeFile(configFile, stringify({ ...config, databases: { odd, ...config.databases } }));
  const agent = await scene.start(configFile);
  await waitUntil('the sound one is served', () => polls(agent, databaseQueue(DATABASE)));
  expect(agent.logText()).toMatch(/"database":"odd","ownership":"unknown","msg":"Error: ELOOP/);
});

test('lets one of two agents own a database, though both list it', async () => {
  const files = await Promise.all([agentNamed('left', 'a'), agentNamed('right', 'b')]);
  const agents = await Promise.all(files.map((file) => scene.start(file)));
  const owner = await currentOwner(await stack.openRepository(), DATABASE);
  expect(['left', 'right']).toContain(owner!.agent);
  const said = agents.map((agent) => agent.logText().includes('"ownership":"mine"'));
  expect(said.filter(Boolean)).toHaveLength(1);
  const polling = async (): Promise<string[]> =>
    (await scene.pollers(databaseQueue(DATABASE))).filter((identity) => /^(left|right) /.test(identity));
  await waitUntil('the owner polls', async () => (await polling()).length > 0);
  expect(await polling()).toEqual([expect.stringMatching(new RegExp(`^${owner!.agent} `))]);
});

test('tells a rebuilt host from the old one of the same name, and leaves it without the database', async () => {
  const first = await scene.start(await agentNamed('db1', 'old-disk'));
  const owner = await currentOwner(await stack.openRepository(), DATABASE);
  await first.kill();
  const rebuilt = await scene.start(await agentNamed('db1', 'new-disk'));
  expect(rebuilt.logText()).toContain(`installation ${owner!.installationId}) owns it`);
  await waitUntil('the rebuilt host answers to its name', async () => polls(rebuilt, agentQueue('db1')));
  expect(await polls(rebuilt, databaseQueue(DATABASE))).toBe(false);
  expect(await currentOwner(await stack.openRepository(), DATABASE)).toEqual(owner);
});

test('claims nothing without a WAL, nor while the server is away, and makes up for it when it is back', async () => {
  await stack.service.stop();
  const agent = await scene.start(stack.configFile);
  const repository = await stack.openRepository();
  expect(await currentOwner(repository, DATABASE)).toBeUndefined();
  expect(agent.logText()).toContain('server-unreachable');
  await rm(stack.walDir, { recursive: true });
  await waitUntil('the agent says that there is no WAL', () => agent.logText().includes('holds no WAL'));
  await stack.startServer();
  await waitUntil('the agent owns it', async () => (await currentOwner(repository, DATABASE)) !== undefined);
});

test('goes on with the last known owner while the repository is away', async () => {
  const agent = await scene.start(stack.configFile);
  await rm(stack.repositoryDir, { recursive: true });
  await waitUntil('the agent notices', () => agent.logText().includes('"ownership":"unknown"'));
  await waitUntil('the agent polls on', () => polls(agent, databaseQueue(DATABASE)));
  expect(await agent.kill()).toBe(0);
});
