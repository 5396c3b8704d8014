import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { ColdBackupResult } from '../../src/contract/cold-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { COLD_BACKUP_POINTS, type KillPoint, pointOf, stopPhase } from './support/kill-point.ts';
import { runWithKills, type StartedRun, startWatchedRun, untilSeen } from './support/kill-run.ts';
import { leftBehind, leftRunning } from './support/left-behind.ts';
import { untiledPieces } from './support/piece-stamps.ts';
import { answers, freezeServer } from './support/server-process.ts';

const MAX_DOWNTIME_MS = 10_000;
/** From the end of the downtime on. */
const UP_AGAIN_MS = 60_000;

let scene: CrashScene;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openCrashScene(shared, { database: { maxDowntimeMs: MAX_DOWNTIME_MS } });
}, SET_UP_TIMEOUT_MS);
afterAll(() => scene.close());

const pointsOf = (...names: string[]): KillPoint[] => names.map((name) => pointOf(COLD_BACKUP_POINTS, name));

it.each([
  ['while the rest of the log is stored', pointsOf('the log is stored ahead', 'the tail is being stored')],
  ['once the rest is stored, and again', pointsOf('the rest is stored', 'the server is up again', 'the manifest is written')],
])('completes a cold backup whose agent is killed %s', async (when, points) => {
  const killed = await untilSeen(async (attempt) => {
    await scene.write(`${when.length}-${attempt}`, 2000);
    return runWithKills<ColdBackupResult>(scene, { type: 'coldBackup', input: { database: DATABASE }, points });
  });
  expect(killed.result).toMatchObject({ outcome: 'done', kind: 'cold', server: 'restarted', stateDigest: await scene.digest() });
  expect(killed.changedPieces).toEqual([]);
  expect(untiledPieces(scene.stack)).toEqual([]);
  expect(await leftBehind(scene, killed.runId)).toEqual([]);
});

/** A server that is slow to stop: the run is seen while it is being stopped. */
async function startAndStop(): Promise<{ run: StartedRun; thaw: () => void; oldPid: number }> {
  const oldPid = serverPid();
  const run = await startWatchedRun(scene, { type: 'coldBackup', input: { database: DATABASE } });
  await run.reach(pointOf(COLD_BACKUP_POINTS, 'the log is stored ahead'));
  const server = await freezeServer(scene.stack);
  // Once its watchdog is ready.
  await waitUntil('the server is told to stop', () => server.isToldToStop());
  return { run, thaw: server.thaw, oldPid };
}

function serverPid(): number {
  return (JSON.parse(readFileSync(join(scene.stack.folder, 'service/service.json'), 'utf8')) as { pid: number }).pid;
}

/** Another process than before, which answers; and whatever waited for that has ended. */
const upAgain = async (oldPid: number): Promise<{ up: boolean; phase: unknown; running: string[] }> => ({
  up: (await answers(scene.stack)) && serverPid() !== oldPid,
  phase: stopPhase(scene.stack),
  running: await leftRunning(scene.stack),
});

const UP_AGAIN = { up: true, phase: undefined, running: [] };

it('has the server up again when the run is terminated after the stop', async () => {
  const { run, thaw, oldPid } = await untilSeen(startAndStop);
  const before = await scene.temporal.execute<{ total: number }>('listBackups', { database: DATABASE });
  await run.handle.terminate('by an operator');
  thaw();
  await expect.poll(() => upAgain(oldPid), { timeout: MAX_DOWNTIME_MS + UP_AGAIN_MS }).toEqual(UP_AGAIN);
  expect(await scene.temporal.execute('listBackups', { database: DATABASE })).toMatchObject({ total: before.total });
});

it('has the server up again when the agent is killed after the stop and never comes back', async () => {
  const { run, thaw, oldPid } = await untilSeen(startAndStop);
  const dead = scene.currentAgent().kill('SIGKILL');
  thaw();
  await dead;
  await expect.poll(() => upAgain(oldPid), { timeout: MAX_DOWNTIME_MS + UP_AGAIN_MS }).toEqual(UP_AGAIN);
  await scene.startNextAgent();
  expect(await run.handle.result()).toMatchObject({ outcome: 'done', kind: 'cold', stateDigest: await scene.digest() });
  expect(await leftBehind(scene, run.runId)).toEqual([]);
});
