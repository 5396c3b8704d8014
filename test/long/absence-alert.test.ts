/** An agent that is gone can't say so: a real Prometheus and a real Alertmanager do, with the files of deploy/. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { type Sink, webSink } from '../support/alert-sinks.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { type Monitoring, startMonitoring } from '../support/monitoring.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';
import { lackOf } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const lack = lackOf('prometheus') || lackOf('prometheus-alertmanager');

/** The one by its scrapes, the other by what it no longer says of its database. */
const ABSENCES = ['RstowAgentDown', `RstowDatabaseUnwatched of ${DATABASE}`];

let scene: Omit<Scene, 'agent'>;
let agent: AgentProcess;
let configFile: string;
let chat: Sink;
let monitoring: Monitoring;

beforeAll(async () => {
  if (lack !== '') return;
  chat = await webSink();
  scene = await openSceneWithoutAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  const agentAddress = `127.0.0.1:${await freePort()}`;
  const settings = { name: 'db1', stateDir: join(scene.stack.folder, 'agent'), http: { listen: agentAddress } };
  configFile = await scene.stack.writeConfig(settings, scene.stack.plain.databases[DATABASE]);
  agent = await scene.startAgent(configFile);
  await scene.temporal.execute('hotBackup', { database: DATABASE });
  monitoring = await startMonitoring({
    folder: join(scene.stack.folder, 'monitoring'),
    agentAddress,
    chatUrl: `http://127.0.0.1:${chat.port}/hook`,
  });
});

afterAll(async () => {
  if (lack !== '') return;
  await monitoring.close();
  await scene.close();
  await chat.close();
});

/** What the chat was told of the agent's absence, as `FIRING: RstowAgentDown`. */
function told(): string[] {
  const messages = chat.got.map((body) => JSON.parse(body) as { attachments: { title: string }[] });
  const titles = messages.flatMap(({ attachments }) => attachments.map(({ title }) => title));
  return titles.filter((title) => ABSENCES.some((absence) => title.endsWith(`: ${absence}`)));
}

const all = (status: string): string[] => ABSENCES.map((absence) => `${status}: ${absence}`);

it.skipIf(lack !== '')(
  `a killed agent is told of once for it and once for its database, and once each that it is back${lack}`,
  async () => {
    await waitUntil('the agent is watched', async () => (await monitoring.count('up == 1 and on (instance) rstow_repository_up')) > 0);
    expect(told()).toEqual([]);

    await agent.kill('SIGKILL');
    await waitUntil('the chat is told', () => told().length >= ABSENCES.length);
    expect(told().sort()).toEqual(all('FIRING'));
    expect(chat.got.join('\n')).toContain('Nobody archives or backs up its databases.');

    agent = await scene.startAgent(configFile);
    await waitUntil('the chat is told that it is over', () => told().length >= 2 * ABSENCES.length);
    expect(told().sort()).toEqual([...all('FIRING'), ...all('RESOLVED')]);
    expect(await monitoring.count('ALERTS{alertstate="firing", alertname=~"RstowAgentDown|RstowDatabaseUnwatched"}')).toBe(0);
  },
);
