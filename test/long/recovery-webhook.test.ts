/** Alerts over real HTTP, as Alertmanager sends them, to a real agent. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { recoveryWorkflowId } from '../../src/contract/names.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { listeningSocketsOf } from '../support/listening-sockets.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';

const TOKEN = 'a-token-that-no-log-shows';

let scene: Omit<Scene, 'agent'>;
let agent: AgentProcess;
let tokenFile: string;
let address: string;

beforeAll(async () => {
  scene = await openSceneWithoutAgent({
    temporalAddress: inject('temporalAddress'),
    workflowBundlePath: inject('workflowBundlePath'),
  });
  tokenFile = join(scene.stack.folder, 'webhook.token');
  await writeFile(tokenFile, `${TOKEN}\n`, { mode: 0o600 });
  address = `127.0.0.1:${await freePort()}`;
  agent = await scene.startAgent(await webhookConfig('agent'));
});
afterAll(() => scene.close());

function webhookConfig(state: string): Promise<string> {
  const settings = { name: 'db1', stateDir: join(scene.stack.folder, state), http: { listen: address, recoveryTokenFile: tokenFile } };
  return scene.stack.writeConfig(settings);
}

type Answer = { status: number; body: { requested?: { database: string; workflowId: string; runId: string }[]; error?: string } };

const alert = (status: string, database: string): string =>
  JSON.stringify({ version: '4', alerts: [{ status, labels: { alertname: 'Gone', rstow_database: database } }] });

async function post(body: string | undefined, changes: { token?: string; path?: string; method?: string } = {}): Promise<Answer> {
  const { token = TOKEN, path = '/recovery', method = 'POST' } = changes;
  const headers = token === '' ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`http://${address}${path}`, { method, headers, ...(body === undefined ? {} : { body }) });
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

async function runsOf(database: string): Promise<number> {
  let runs = 0;
  for await (const _run of scene.temporal.client.workflow.list({ query: `WorkflowId = '${recoveryWorkflowId(database)}'` })) runs += 1;
  return runs;
}

const asking = alert('firing', DATABASE);

it.each([
  { what: 'another token', status: 401, body: asking, changes: { token: `${TOKEN}x` } },
  { what: 'no token', status: 401, body: asking, changes: { token: '' } },
  { what: 'another method', status: 405, body: undefined, changes: { method: 'GET' } },
  { what: 'another path', status: 404, body: asking, changes: { path: '/' } },
  { what: 'what is no JSON', status: 400, body: 'alerts: []' },
  { what: 'a name that no database can have', status: 400, body: alert('firing', 'Orders!') },
  { what: 'more than a mebibyte', status: 413, body: ' '.repeat(1024 * 1024 + 1) },
])('refuses $what with $status, and starts nothing', async ({ body, changes, status }) => {
  expect((await post(body, changes)).status).toBe(status);
  expect(await runsOf(DATABASE)).toBe(0);
});

it('takes a resolved alert, and starts nothing', async () => {
  expect(await post(alert('resolved', DATABASE))).toEqual({ status: 202, body: { requested: [], refused: [] } });
  expect(await runsOf(DATABASE)).toBe(0);
});

it('asks for a recovery, which finds the database up; the same alert at once asks under the same id', async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(alert('firing', DATABASE))));
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202, 202, 202]);
  const requested = answers.flatMap(({ body }) => body.requested ?? []);
  expect(new Set(requested.map(({ workflowId }) => workflowId))).toEqual(new Set([recoveryWorkflowId(DATABASE)]));
  const handle = scene.temporal.client.workflow.getHandle(recoveryWorkflowId(DATABASE), requested[0]!.runId);
  expect((await handle.result()) as DisasterRecoveryResult).toMatchObject({ outcome: 'not-needed' });
  const { events } = await handle.fetchHistory();
  const input = events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data;
  expect(JSON.parse(new TextDecoder().decode(input))).toEqual({ database: DATABASE, requestedBy: 'alertmanager', reason: 'Gone' });
});

it('takes a new token without a restart, and tells callers to come again while it can’t read one', async () => {
  await writeFile(tokenFile, 'another-token');
  expect((await post(alert('resolved', DATABASE))).status).toBe(401);
  expect((await post(alert('resolved', DATABASE), { token: 'another-token' })).status).toBe(202);
  await writeFile(tokenFile, '');
  expect((await post(alert('resolved', DATABASE))).status).toBe(503);
  await writeFile(tokenFile, TOKEN);
  expect((await post(alert('resolved', DATABASE))).status).toBe(202);
});

it('lets no second agent believe that it listens', async () => {
  const second = await startAgent({ configFile: await webhookConfig('agent-2'), waitsForReady: false });
  expect(await second.ended).toBe(14);
  expect(second.logText()).toContain(`error: port-taken: another program listens on ${address}`);
});

it('brings back a database that is really gone', async () => {
  const { stack, temporal } = scene;
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix: 'kept' });
  await load.acknowledgedAtLeast(200);
  await load.stop();
  const { label, stateDigest } = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  const { body } = await post(alert('firing', DATABASE));
  const result = (await temporal.client.workflow.getHandle(recoveryWorkflowId(DATABASE), body.requested?.[0]?.runId).result()) as object;
  expect(result).toMatchObject({ outcome: 'done', label, stateDigest, agent: 'db1', generation: 2, timeline: '0002', skipped: [] });
  const live = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(stateDigest);
});

it('is off by default: an agent listens on nothing that its config does not name', async () => {
  expect(await listeningSocketsOf(agent.pid)).toMatchObject([{ host: '127.0.0.1', port: Number(address.split(':')[1]) }]);
  const plain = await scene.startAgent(await scene.stack.writeConfig({ name: 'db2', stateDir: join(scene.stack.folder, 'plain') }));
  expect(await listeningSocketsOf(plain.pid)).toEqual([]);
});

it('logs who was refused, and never a token', () => {
  expect(agent.logText()).toContain('a request for recovery had no valid token');
  expect(agent.logText()).toContain('alerts asked for recovery');
  expect(agent.logText() + agent.outputText()).not.toContain(TOKEN);
  expect(agent.logText()).not.toContain('another-token');
});
