/** Temporal is down while backups are due: one run makes them good, and people are told once, and once when it has ended well. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { stringify } from 'yaml';
import { type RstowClient, rstowClient } from '../../src/client/rstow-client.ts';
import { backupScheduleId } from '../../src/contract/names.ts';
import type { Change } from '../../src/core/alerts/incident.ts';
import { configSchedules } from '../../src/worker/config-schedules.ts';
import { type Sink, webSink } from '../support/alert-sinks.ts';
import { DATABASE } from '../support/database-stack.ts';
import { writeOrders } from '../support/odd-source.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';

const EVERY_MS = 10_000;
const DOWN_MS = 3.5 * EVERY_MS;
const LOOK_MS = 300;
/** So long nothing more must come: many looks. */
const QUIET_MS = 3_000;
const PATIENCE_MS = 120_000;

let server: TemporalServer;
let scene: Omit<Scene, 'agent'>;
let web: Sink;
let rstow: RstowClient;

beforeAll(async () => {
  [server, web] = await Promise.all([startTemporalServer(), webSink()]);
  const database = { schedules: { hotBackup: { everyMs: EVERY_MS } } };
  scene = await openSceneWithoutAgent({ temporalAddress: server.address, workflowBundlePath: inject('workflowBundlePath') }, { database });
  await writeOrders(scene.stack.address, 3);
  rstow = rstowClient(scene.temporal.client);
});

afterAll(async () => {
  await scene.close();
  await server.stop();
  await web.close();
});

async function configFile(): Promise<string> {
  const alerts = { lookMs: LOOK_MS, targets: { chat: { kind: 'webhook', url: `http://127.0.0.1:${web.port}/` } } };
  const file = join(scene.stack.folder, 'alerts.yaml');
  await writeFile(file, stringify({ ...scene.stack.plain, alerts }));
  return file;
}

/** What the chat was told of it: `new`, `resolved`. */
function told(code: string): string[] {
  const changes = web.got.flatMap((body) => (JSON.parse(body) as { changes: Change[] }).changes);
  return changes.filter((change) => change.code === code).map(({ kind }) => kind);
}

it('makes what was missed over three intervals good by one run, and tells of it once', { timeout: 4 * PATIENCE_MS }, async () => {
  const file = await configFile();
  await scene.startAgent(file);
  await waitUntil('the chat is told that nothing is scheduled', () => told('no-schedule').length > 0, PATIENCE_MS);
  const schedules = rstow.schedules(DATABASE);
  const [listed] = await configSchedules(file, DATABASE);
  await schedules.apply(listed?.schedules ?? []);
  await waitUntil('the chat is told that something is', () => told('no-schedule').length > 1, PATIENCE_MS);
  const hasBackedUp = async (): Promise<boolean> =>
    (await schedules.list()).some(({ started, openWorkflowId }) => started > 0 && openWorkflowId === undefined);
  await waitUntil('a backup was made', hasBackedUp, PATIENCE_MS);

  await server.kill();
  const killedAtMs = Date.now();
  await sleep(DOWN_MS);
  await waitUntil('the chat is told while Temporal is down', () => told('missed-run').length > 0, PATIENCE_MS);
  const startedAtMs = Date.now();
  await server.start();
  await waitUntil('the chat is told that it is over', () => told('missed-run').length > 1, PATIENCE_MS);
  await schedules.pause('hotBackup', 'nothing more is wanted');
  await sleep(QUIET_MS);
  expect(told('missed-run')).toEqual(['new', 'resolved']);

  const { info } = await rstow.temporal.schedule.getHandle(backupScheduleId(DATABASE)).describe();
  const madeGood = info.recentActions.filter(({ scheduledAt: at }) => at.getTime() > killedAtMs && at.getTime() < startedAtMs);
  expect(madeGood).toHaveLength(1);
  expect(await rstow.run<'hotBackup'>(madeGood[0]?.action.workflow.workflowId ?? '').result()).toMatchObject({ outcome: 'done' });
});
