import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { DATABASE } from '../support/database-stack.ts';
import { type CrashScene, openCrashScene, SET_UP_TIMEOUT_MS } from './support/crash-scene.ts';
import { pointOf, RESTORE_POINTS, stopPhase } from './support/kill-point.ts';
import { type StartedRun, startWatchedRun } from './support/kill-run.ts';
import { leftBehind, leftRunning } from './support/left-behind.ts';
import { freezeServer, msUntilItAnswers, seenDown, startRestartLoop } from './support/server-process.ts';
import { freezeProcess } from '../support/freeze-process.ts';

const PATIENCE_MS = 60_000;

let scene: CrashScene;
let writes = 0;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  // So long that whoever ends a frozen agent earlier is not the watchdog.
  scene = await openCrashScene(shared, { database: { maxDowntimeMs: 90_000 } });
}, SET_UP_TIMEOUT_MS);

// What is in place must never be what the backup holds.
beforeEach(() => scene.write(`more-${(writes += 1)}`, 20));

afterAll(() => scene.close());

const startRestore = (): Promise<StartedRun> =>
  startWatchedRun(scene, { type: 'restore', input: { database: DATABASE, backup: scene.backup.label } });

it('lets the next agent end one that stands still while it holds the data, and completes the same run', async () => {
  const run = await startRestore();
  await run.reach(pointOf(RESTORE_POINTS, 'the rehearsal server runs'));
  const server = await freezeServer(scene.stack);
  await run.reach(pointOf(RESTORE_POINTS, 'the stop note is written'));
  const frozen = scene.currentAgent();
  await freezeProcess(frozen.pid);
  server.thaw();
  await scene.startNextAgent();
  expect(await frozen.ended).toBe('SIGKILL');
  const result = (await run.handle.result()) as RestoreResult;
  expect(result).toMatchObject({ outcome: 'done', runId: run.runId });
  expect(await scene.digest()).toBe(scene.backup.stateDigest);
  expect(await leftBehind(scene, run.runId)).toEqual([]);
});

it('is not disturbed by a loop that starts servers between stop and swap', async () => {
  const { stack } = scene;
  const oldSegments = await listSegments(stack.walDir);
  const run = await startRestore();
  await run.reach(pointOf(RESTORE_POINTS, 'the rehearsal server runs'));
  const server = await freezeServer(stack);
  await run.reach(pointOf(RESTORE_POINTS, 'the stop note is written'));
  const loop = startRestartLoop(stack);
  server.thaw();
  const result = (await run.handle.result()) as RestoreResult;
  await loop.stop();
  expect(result).toMatchObject({ outcome: 'done', runId: run.runId });
  expect(await scene.digest()).toBe(scene.backup.stateDigest);
  expect(await listSegments(join(result.replacedAt!, 'wal'))).toMatchObject(
    oldSegments!.map(({ inode, sizeBytes }) => ({ inode, sizeBytes })),
  );
  expect(await leftBehind(scene, run.runId)).toEqual([]);
});

it('starts the old data again when the run is terminated after the stop', async () => {
  const { stack } = scene;
  const [oldDigest, oldInode] = [await scene.digest(), (await stat(stack.walDir)).ino];
  const run = await startRestore();
  await run.reach(pointOf(RESTORE_POINTS, 'the rehearsal server runs'));
  const server = await freezeServer(stack);
  await run.reach(pointOf(RESTORE_POINTS, 'the stop note is written'));
  await run.handle.terminate('by an operator');
  server.thaw();
  await seenDown(stack);
  await msUntilItAnswers(stack);
  expect((await stat(stack.walDir)).ino).toBe(oldInode);
  expect(await scene.digest()).toBe(oldDigest);
  await expect.poll(() => stopPhase(stack), { timeout: PATIENCE_MS }).toBe(undefined);
  await expect.poll(() => leftRunning(stack), { timeout: PATIENCE_MS }).toEqual([]);
});

it('ends the rehearsal server of a run that was terminated while no agent lived, and clears its folder', async () => {
  const run = await startRestore();
  await run.reach(pointOf(RESTORE_POINTS, 'the rehearsal server runs'));
  await scene.currentAgent().kill('SIGKILL');
  await run.handle.terminate('by an operator');
  await scene.startNextAgent();
  expect(await leftBehind(scene, run.runId)).toEqual([]);
});
