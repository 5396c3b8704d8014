import { cp, mkdir, readdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ActivityDeps } from '../../../src/activities/activity-deps.ts';
import type { RunPort } from '../../../src/activities/run-port.ts';
import { swapWithServerDown, type SwapWork } from '../../../src/activities/swap-wal.ts';
import { blockServer } from '../../../src/io/data-directory/server-block.ts';
import { restorePaths } from '../../../src/io/data-directory/staging.ts';
import { readStopNote, writeStopNote } from '../../../src/io/data-directory/stop-note.ts';
import { moveOldWalAside, planSwap } from '../../../src/io/data-directory/swap.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { startLoadWriters } from '../../support/load-writers.ts';

const DEAD_HOLDER = { pid: 1, startTicks: 1 };

let stack: DatabaseStack;

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  const load = await startLoadWriters({ address: stack.address, writers: 1 });
  await load.stop();
  await mkdir(stack.config.agent.stateDir);
});

afterEach(() => stack.remove());

/** A restore by a run of that id that has staged what the server has now, and has named its swap. */
async function workOf(runId: string): Promise<SwapWork> {
  const { dataDir, config, configFile, settings } = stack;
  await cp(stack.walDir, restorePaths(dataDir, runId).wal, { recursive: true });
  const run: RunPort = {
    ...{ runId, workflowId: runId, signal: new AbortController().signal },
    report: () => undefined,
    checkOpen: () => Promise.resolve(),
  };
  const deps = { config, configFile } as ActivityDeps;
  return { deps, database: DATABASE, settings, run, plan: await planSwap(dataDir, runId), checkAllowed: () => Promise.resolve() };
}

async function inode(path: string): Promise<number> {
  return (await stat(path)).ino;
}

it('leaves the server alone where wal/ is not the one that the restore has named', async () => {
  const work = await workOf('run-1');
  await stack.service.stop();
  await rename(stack.walDir, join(stack.folder, 'moved-by-somebody'));
  await cp(join(stack.folder, 'moved-by-somebody'), stack.walDir, { recursive: true });
  await stack.startServer();
  await expect(swapWithServerDown(work)).rejects.toMatchObject({ code: 'data-directory-replaced' });
  expect(await stack.service.isRunning()).toBe(true);
  expect(await readdir(stack.dataDir)).toContain('snapshots');
  expect(await readStopNote(stack.dataDir)).toBe(undefined);
});

it('ends the swap of a run that died between the renames, before it begins its own', async () => {
  const dead = await workOf('run-1');
  const times = { createdAtMs: Date.now(), deadlineMs: Date.now() };
  const note = { format: 1 as const, runId: 'run-1', database: DATABASE, phase: 'swapping' as const, ...dead.plan, ...times };
  await stack.service.stop();
  await writeStopNote(stack.dataDir, { ...note, holder: DEAD_HOLDER });
  await blockServer(stack.dataDir, { ...note, holder: DEAD_HOLDER });
  await moveOldWalAside(stack.dataDir, { ...note, holder: DEAD_HOLDER });
  const work = await workOfNext(dead);
  await swapWithServerDown(work);
  expect(await inode(stack.walDir)).toBe(Number(work.plan.newWal.inode));
  expect(await stack.service.isRunning()).toBe(true);
  expect(await readStopNote(stack.dataDir)).toBe(undefined);
});

/** Staged while the dead run's wal/ is not in place yet, and named as a restore that waits for the mutex has named it. */
async function workOfNext(dead: SwapWork): Promise<SwapWork> {
  const { dataDir } = stack;
  const next = restorePaths(dataDir, 'run-2').wal;
  await cp(restorePaths(dataDir, 'run-1').wal, next, { recursive: true });
  const plan = { ...(await planSwap(dataDir, 'run-2')), oldWal: dead.plan.newWal };
  return { ...dead, run: { ...dead.run, runId: 'run-2', workflowId: 'run-2' }, plan };
}
