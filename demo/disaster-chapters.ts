import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { databaseSettings } from '../src/config/agent-config.ts';
import type { DisasterRecoveryResult } from '../src/contract/disaster-recovery.ts';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { countedText, countText, durationText } from '../src/core/text/figures.ts';
import { openServer } from '../src/database/database.ts';
import { instancePages } from '../src/io/rstmdb/instances.ts';
import { liveDigest } from '../src/replay/live-digest.ts';
import { startDemoRun } from './run.ts';
import { DEMO_DATABASE, type DemoScene } from './scene.ts';
import type { Story } from './story.ts';
import type { DemoWriters } from './writers.ts';

/** The step in whose middle everything is killed: a real server boots on the fetched files. */
const KILLED_STEP = 'rehearse';
const POLL_MS = 20;
const DEAD_MS = 1_000;
const COMPARE_TIMEOUT_MS = 60_000;

/** While all write. */
export async function loseEverything(scene: DemoScene, story: Story, writers: DemoWriters): Promise<void> {
  story.chapter('Disaster: the server dies while all write, and its data are gone');
  story.command(`kill -9 ${await scene.database.pid()}; rm -r ${scene.database.service.dataDir}/*`);
  await scene.database.destroy();
  const { acknowledged, orders } = await writers.stop();
  story.fact(`${countText(acknowledged)} writes had been acknowledged, ${countedText(orders.size, 'order')} among them`);
}

/** Fails: with the run's own failure. */
export async function recoverThroughKills(scene: DemoScene, story: Story): Promise<DisasterRecoveryResult> {
  story.chapter('One command brings it back, and the recovery is hit as well');
  story.command(`rstow recover ${DEMO_DATABASE}`);
  const run = await startDemoRun(scene, 'disasterRecovery');
  await untilAtWork(run);
  story.fact('a real server boots on the fetched files, to prove them. In the middle of it:');
  story.command(`kill -9 ${scene.agent.pid()} ${scene.temporal.program.pid()}  # the agent and Temporal`);
  await Promise.all([scene.agent.kill(), scene.temporal.program.kill()]);
  await sleep(DEAD_MS);
  await scene.temporal.program.restart();
  await scene.agent.restart();
  story.fact('both were started again; nobody started the recovery again. It continues:');
  const recovered = (await run.result()) as DisasterRecoveryResult;
  const { fromTimeline = '', timeline = '', durationMs = 0 } = recovered;
  story.fact(`recovered in ${durationText(durationMs)}, timeline ${fromTimeline} → ${timeline}`);
  return recovered;
}

type Lost = { writers: DemoWriters; recovered: DisasterRecoveryResult };

/** Fails: digest-different, if the server does not show what was recovered; `failed`, if too much is lost. */
export async function countWhatIsLost(scene: DemoScene, story: Story, { writers, recovered }: Lost): Promise<void> {
  story.chapter('What is back, and what is lost');
  const settings = databaseSettings(scene.config, DEMO_DATABASE);
  const live = await liveDigest(settings, scene.config.timing, AbortSignal.timeout(COMPARE_TIMEOUT_MS));
  story.fact(`stored  ${recovered.stateDigest ?? ''}`);
  story.fact(`server  ${live.stateDigest}`);
  if (live.stateDigest !== recovered.stateDigest) throw new RstowError('digest-different', 'the recovered server shows another state');
  const { orders } = writers.written;
  const lost = await missingOrders(scene, orders);
  story.fact(`equal: ${countText(orders.size - lost.length)} of ${countedText(orders.size, 'acknowledged order')} are back`);
  if (lost.length === 0) {
    story.fact('nothing is lost');
    return;
  }
  // The server answers until it is dead.
  const lostMs = Math.max(...orders.values()) - Math.min(...lost);
  story.fact(`${countedText(lost.length, 'order')} of the last ${durationText(lostMs)} before the server died are lost`);
  if (lostMs > LOST_MS_MAX) throw new RstowError('failed', `orders of the last ${durationText(lostMs)} are lost`);
}

/** On a slow machine; on most it is a second at most. */
const LOST_MS_MAX = 3_000;

/** When those were acknowledged that the server lacks (Unix ms). */
async function missingOrders({ config }: DemoScene, orders: ReadonlyMap<string, number>): Promise<number[]> {
  const missing = new Map(orders);
  const server = openServer(databaseSettings(config, DEMO_DATABASE), config.timing);
  for await (const { instances } of instancePages(server.connector())) for (const { id } of instances) missing.delete(id);
  return [...missing.values()];
}

/** Fails: `failed`, if the run ends before it is at the step. */
async function untilAtWork(run: WorkflowHandle): Promise<void> {
  for (;;) {
    const { status, raw } = await run.describe();
    if (raw.pendingActivities?.some(({ activityType }) => activityType?.name === KILLED_STEP) === true) return;
    if (status.name !== 'RUNNING') throw new RstowError('failed', `the recovery ended as ${status.name} before it could be hit`);
    await sleep(POLL_MS);
  }
}
