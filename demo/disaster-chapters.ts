import { chmod, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { databaseSettings } from '../src/config/agent-config.ts';
import { liveDigest } from '../src/replay/live-digest.ts';
import type { RestoreResult } from '../src/contract/restore.ts';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { countedText, countText, durationText } from '../src/core/text/figures.ts';
import type { Stored } from './backup-chapters.ts';
import { failingDemoRun, startDemoRun } from './run.ts';
import { DEMO_DATABASE, type DemoScene } from './scene.ts';
import type { Story } from './story.ts';

/** The step in whose middle everything is killed: a real server boots on the fetched files. */
const KILLED_STEP = 'rehearse';
const POLL_MS = 20;
const DEAD_MS = 1_000;
const COMPARE_TIMEOUT_MS = 60_000;

/** Fails: `failed`, if the damage goes unnoticed. */
export async function damagePiece(scene: DemoScene, story: Story, { second, piecesOfSecond }: Stored): Promise<void> {
  const [piece = ''] = piecesOfSecond.slice(-1);
  story.chapter('The repository’s disk flips one bit. A check names the piece');
  await flipBit(piece);
  story.command(`rstow verify ${DEMO_DATABASE} --backup ${second.label ?? ''}`);
  const { type, message } = await failingDemoRun(scene, 'verifyBackup', { backup: second.label, level: 'records' });
  story.fact(`error: ${message}`);
  if (type !== 'damaged-object') throw new RstowError('failed', `the damage of ${basename(piece)} was reported as ${type}`);
}

/** The newest backup is refused before anything is touched, and the failure names the one that is complete. */
export async function loseEverything(scene: DemoScene, story: Story): Promise<void> {
  story.chapter('Disaster: the server dies and its data directory is emptied');
  story.command(`kill -9 ${await scene.database.pid()}; rm -r ${scene.database.service.dataDir}/*`);
  await scene.database.destroy();
  story.command(`rstow restore ${DEMO_DATABASE}`);
  const { type, message } = await failingDemoRun(scene, 'restore', { backup: 'latest' });
  story.fact(`error: ${message}`);
  if (type !== 'damaged-object') throw new RstowError('failed', `a damaged backup was refused as ${type}`);
}

/** Fails: with the run's own failure. */
export async function restoreThroughKills(scene: DemoScene, story: Story, { first }: Stored): Promise<void> {
  story.chapter('The older backup is restored, and the restore is hit as well');
  story.command(`rstow restore ${DEMO_DATABASE} --backup ${first.label ?? ''}`);
  const run = await startDemoRun(scene, 'restore', { backup: first.label });
  await untilAtWork(run);
  story.fact('a real server boots on the fetched files, to prove them. In the middle of it:');
  story.command(`kill -9 ${scene.agent.pid()} ${scene.temporal.program.pid()}  # the agent and Temporal`);
  await Promise.all([scene.agent.kill(), scene.temporal.program.kill()]);
  await sleep(DEAD_MS);
  await scene.temporal.program.restart();
  await scene.agent.restart();
  story.fact('both were started again; nobody started the restore again. It continues:');
  const { rehearsal = 'off', fromTimeline = '', timeline = '', durationMs = 0 } = (await run.result()) as RestoreResult;
  story.fact(`restored in ${durationText(durationMs)}, rehearsal ${rehearsal}, timeline ${fromTimeline} → ${timeline}`);
}

/** Fails: digest-different, if the live server does not show what the backup holds. */
export async function countWhatIsLost(scene: DemoScene, story: Story, { first, written }: Stored): Promise<void> {
  story.chapter('What is back, and what is lost');
  const live = await liveDigest(
    databaseSettings(scene.config, DEMO_DATABASE),
    scene.config.timing,
    AbortSignal.timeout(COMPARE_TIMEOUT_MS),
  );
  story.fact(`backup  ${first.stateDigest ?? ''}`);
  story.fact(`server  ${live.stateDigest}`);
  if (live.stateDigest !== first.stateDigest) throw new RstowError('digest-different', 'the restored server shows another state');
  story.fact(`equal: ${countText(live.instances)} of ${countedText(written.instances, 'acknowledged order')} are back`);
  story.fact(`${countedText(written.instances - live.instances, 'order')} came after that backup and are lost with the damaged piece`);
}

/** Fails: `failed`, if the run ends before it is at the step. */
async function untilAtWork(run: WorkflowHandle): Promise<void> {
  for (;;) {
    const { status, raw } = await run.describe();
    if (raw.pendingActivities?.some(({ activityType }) => activityType?.name === KILLED_STEP) === true) return;
    if (status.name !== 'RUNNING') throw new RstowError('failed', `the restore ended as ${status.name} before it could be hit`);
    await sleep(POLL_MS);
  }
}

/** In the middle of the file, which is compressed bytes. */
async function flipBit(file: string): Promise<void> {
  await chmod(file, 0o600);
  const handle = await open(file, 'r+');
  try {
    const { size } = await handle.stat();
    const place = Math.floor(size / 2);
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, place);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await handle.write(byte, 0, 1, place);
  } finally {
    await handle.close();
  }
}
