import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { DATABASE } from '../support/database-stack.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { HOT_BACKUP_POINTS, pointOf, RESTORE_POINTS } from './support/kill-point.ts';
import { type StartedRun, startWatchedRun } from './support/kill-run.ts';
import { leftBehind, leftRunning, watchdogsOf } from './support/left-behind.ts';
import { freezeServer, msUntilItAnswers, seenDown } from './support/server-process.ts';

const MAX_DOWNTIME_MS = 20_000;
const PATIENCE_MS = 60_000;

let server: TemporalServer;
let scene: CrashScene;
let writes = 0;

beforeAll(async () => {
  server = await startTemporalServer();
  const shared = { temporalAddress: server.address, workflowBundlePath: inject('workflowBundlePath') };
  scene = await openCrashScene(shared, { database: { maxDowntimeMs: MAX_DOWNTIME_MS } });
}, SET_UP_TIMEOUT_MS);

beforeEach(() => scene.write(`more-${(writes += 1)}`, 20));

// A test that failed half-way leaves the next one a Temporal, and an agent.
afterEach(async () => {
  await server.start();
  if (!existsSync(`/proc/${scene.currentAgent().pid}`)) await scene.startNextAgent();
});

afterAll(async () => {
  await scene.close();
  await server.stop();
});

/** A restore whose watchdog is ready, and that has told its server to stop: it does so at `thaw`. */
async function restoreBeforeItsStop(): Promise<{ run: StartedRun; thaw: () => void }> {
  const run = await startWatchedRun(scene, { type: 'restore', input: { database: DATABASE, backup: scene.backup.label } });
  await run.reach(pointOf(RESTORE_POINTS, 'the rehearsal server runs'));
  const { thaw, isToldToStop } = await freezeServer(scene.stack);
  await expect.poll(isToldToStop, { timeout: PATIENCE_MS, interval: 5 }).toBe(true);
  expect(await watchdogsOf(scene.stack)).toHaveLength(1);
  return { run, thaw };
}

async function expectCompleteRestore(run: StartedRun): Promise<void> {
  const result = (await run.handle.result()) as RestoreResult;
  expect(result).toMatchObject({ outcome: 'done', runId: run.runId });
  expect(await scene.digest()).toBe(scene.backup.stateDigest);
  expect(await leftBehind(scene, run.runId)).toEqual([]);
}

it('brings the server up in time though Temporal and the agent died after the stop, and completes when they are back', async () => {
  const oldDigest = await scene.digest();
  const { run, thaw } = await restoreBeforeItsStop();
  await Promise.all([server.kill(), scene.currentAgent().kill('SIGKILL')]);
  thaw();
  await seenDown(scene.stack);
  expect(await msUntilItAnswers(scene.stack)).toBeLessThan(MAX_DOWNTIME_MS);
  expect(await scene.digest()).toBe(oldDigest);
  await expect.poll(() => leftRunning(scene.stack), { timeout: PATIENCE_MS }).toEqual([]);
  await server.start();
  await scene.startNextAgent();
  await expectCompleteRestore(run);
});

it('brings the server up in time though Temporal died after the stop, and completes when it is back', async () => {
  const oldDigest = await scene.digest();
  const { run, thaw } = await restoreBeforeItsStop();
  await server.kill();
  thaw();
  await seenDown(scene.stack);
  expect(await msUntilItAnswers(scene.stack)).toBeLessThan(MAX_DOWNTIME_MS);
  expect(await scene.digest()).toBe(oldDigest);
  await server.start();
  await expectCompleteRestore(run);
});

it('completes a backup though Temporal is killed and restarted in its middle', async () => {
  await scene.write('unstored', 3000);
  const run = await startWatchedRun(scene, { type: 'hotBackup', input: { database: DATABASE } });
  await run.reach(pointOf(HOT_BACKUP_POINTS, 'one piece is complete, others are not'));
  await server.kill();
  await sleep(1000);
  await server.start();
  const result = (await run.handle.result()) as HotBackupResult;
  expect(result).toMatchObject({ outcome: 'done', runId: run.runId, stateDigest: await scene.digest() });
  expect(await leftBehind(scene, run.runId)).toEqual([]);
});
