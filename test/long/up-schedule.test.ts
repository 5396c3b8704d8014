import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client, ScheduleDescription } from '@temporalio/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { backupScheduleId, runWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { DATABASE } from '../support/database-stack.ts';
import { waitUntil } from '../support/wait-until.ts';
import { makeUpScene, type UpScene } from '../integration/worker/up-scene.ts';

const PATIENCE_MS = 120_000;

let scene: UpScene;

beforeEach(async () => {
  // Temporal makes a URI of its file, in which these characters mean something else.
  scene = await makeUpScene('sta?te #%');
});

afterEach(() => scene.remove());

/** Undefined where there is none, or where nobody answers. */
async function schedule(): Promise<ScheduleDescription | undefined> {
  const describe = ({ schedule: schedules }: Client): Promise<ScheduleDescription> =>
    schedules.getHandle(backupScheduleId(DATABASE)).describe();
  return scene.withClient(describe).catch(() => undefined);
}

/** A run that met the first backup of `up` is skipped. */
async function hasBackedUp(): Promise<boolean> {
  const workflowId = (await schedule())?.info.recentActions.at(-1)?.action.workflow.workflowId;
  if (workflowId === undefined) return false;
  const result: unknown = await scene.withClient(({ workflow }) => workflow.getHandle(workflowId).result());
  return (result as { outcome: string }).outcome === 'done';
}

test('backs up by its schedule, and leaves it paused if somebody has paused it', { timeout: 3 * PATIENCE_MS }, async () => {
  const up = await scene.start('--every', '10s');
  await waitUntil('the schedule has made a backup', hasBackedUp, PATIENCE_MS);

  await scene.withClient((client) => client.schedule.getHandle(backupScheduleId(DATABASE)).pause('the disk is exchanged'));
  up.signal('SIGINT');
  expect(await up.exitCode).toBe(0);
  const next = await scene.start('--every', '10s');
  expect((await schedule())?.state).toMatchObject({ paused: true, note: 'the disk is exchanged' });
  expect(next.stdout()).toMatch(new RegExp(`^NOT PROTECTED +${DATABASE}: `, 'm'));
});

test('makes its schedule again, and runs come to their end, after Temporal has lost its file', { timeout: 3 * PATIENCE_MS }, async () => {
  await scene.start();
  const before = await schedule();
  const files = (await readdir(scene.temporalDir)).filter((name) => name.startsWith('temporal.db'));
  expect(files).toContain('temporal.db');
  await Promise.all(files.map((name) => rm(join(scene.temporalDir, name))));
  process.kill(await scene.temporalPid(), 'SIGKILL');

  await waitUntil('the schedule is there again', async () => isNewer(await schedule(), before), PATIENCE_MS);
  const run = scene.withClient(({ workflow }) =>
    workflow.execute('hotBackup', {
      workflowId: runWorkflowId(DATABASE, 'hotBackup', 'after'),
      taskQueue: WORKFLOW_QUEUE,
      args: [{ database: DATABASE }],
    }),
  );
  expect(await run).toMatchObject({ outcome: 'done' });
});

function isNewer(now: ScheduleDescription | undefined, before: ScheduleDescription | undefined): boolean {
  return now !== undefined && before !== undefined && now.info.createdAt > before.info.createdAt;
}
