import { cp, mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { RunPort } from '../../src/activities/run-port.ts';
import { swapWithServerDown, type SwapWork } from '../../src/database/swap-wal.ts';
import { openDatabase } from '../../src/database/database.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { blockServer } from '../../src/io/data-directory/server-block.ts';
import { restorePaths } from '../../src/io/data-directory/restores.ts';
import { readStopNote, writeStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { moveOldWalAside, planRollBack, planSwap } from '../../src/io/data-directory/swap.ts';
import { processesWithOpenFilesUnder } from '../../src/io/process/open-files.ts';
import { loadConfig } from '../../src/worker/load-config.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { toolPath } from '../support/tools.ts';

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
async function workOf(runId: string): Promise<SwapWork<unknown>> {
  const { dataDir } = stack;
  await cp(stack.walDir, restorePaths(dataDir, runId).wal, { recursive: true });
  const run: RunPort = {
    ...{ runId, workflowId: runId, signal: new AbortController().signal },
    report: () => undefined,
    checkOpen: () => Promise.resolve(),
    chain: () => Promise.resolve(undefined),
  };
  const allowed = { askFirst: () => Promise.resolve(), checkAllowed: () => Promise.resolve() };
  return { database: openDatabase(stack, DATABASE), run, plan: await planSwap(dataDir, runId), ...allowed };
}

const unanswered = async (): Promise<never> => Promise.reject(new RstowError('repository-unavailable', 'not mounted'));

async function serverPids(): Promise<number[]> {
  return (await processesWithOpenFilesUnder(stack.walDir, { writersOnly: true })).map(({ pid }) => pid);
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
  const note = {
    format: 1 as const,
    kind: 'swap' as const,
    runId: 'run-1',
    database: DATABASE,
    phase: 'swapping' as const,
    ...dead.plan,
    ...times,
  };
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

it('never stops the server where nobody says beforehand that it may', async () => {
  const before = await serverPids();
  const work = { ...(await workOf('run-1')), askFirst: unanswered };
  await expect(swapWithServerDown(work)).rejects.toMatchObject({ code: 'repository-unavailable' });
  expect(await serverPids()).toEqual(before);
  expect(await readStopNote(stack.dataDir)).toBe(undefined);
});

it('waits two seconds for an answer, though the server’s stop has taken all of the downtime', async () => {
  const work = await workOf('run-1');
  const { database } = work;
  const hurried = { ...database, settings: { ...database.settings, maxDowntimeMs: 1 } };
  await swapWithServerDown({ ...work, database: hurried, checkAllowed: () => delay(500) });
  expect(await inode(stack.walDir)).toBe(Number(work.plan.newWal.inode));
});

it('asks nobody and stops nothing where a roll-back finds the old data in place, and brings their server up', async () => {
  const refused = await workOf('run-1');
  const times = { createdAtMs: Date.now(), deadlineMs: Date.now() + 60_000 };
  const note = {
    format: 1 as const,
    kind: 'swap' as const,
    runId: 'run-1',
    database: DATABASE,
    phase: 'starting' as const,
    ...refused.plan,
    ...times,
  };
  await stack.service.stop();
  await writeStopNote(stack.dataDir, { ...note, holder: DEAD_HOLDER });
  const rollBack = { ...refused, plan: planRollBack(refused.plan), askFirst: unanswered, checkAllowed: unanswered };
  await swapWithServerDown(rollBack);
  expect(await inode(stack.walDir)).toBe(Number(refused.plan.oldWal?.inode));
  expect(await stack.service.isRunning()).toBe(true);
  expect(await readStopNote(stack.dataDir)).toBe(undefined);
});

it.each([
  ['is no config any more', 'databases: [', /is not YAML/],
  ['names another data directory', undefined, /now says dataDir .*elsewhere.*restart the agent/],
])('stops nothing where the config file, which the watchdog reads, %s', async (_what, text, says) => {
  const before = await serverPids();
  const work = await workOf('run-1');
  const file = stack.configFile;
  await writeFile(file, text ?? (await readFile(file, 'utf8')).replace(`dataDir: ${stack.dataDir}\n`, 'dataDir: /elsewhere\n'));
  await expect(swapWithServerDown(work)).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringMatching(says) as string });
  expect(await serverPids()).toEqual(before);
  expect(await readStopNote(stack.dataDir)).toBe(undefined);
});

describe('a restored server that never answers', () => {
  const startTimeoutMs = 15_000;

  /** Hangs on the restored data only, and outlives the downtime that the watchdog waits for. */
  async function hangingWork(): Promise<SwapWork<unknown>> {
    const work = await workOf('run-1');
    const program = join(stack.folder, 'rstmdb-or-not');
    await writeFile(program, `#!/bin/sh\n[ -e ${stack.walDir}/hang ] && exec sleep 600\nexec ${toolPath('rstmdb')}\n`, { mode: 0o755 });
    await writeFile(join(restorePaths(stack.dataDir, 'run-1').wal, 'hang'), '');
    const service = { ...(stack.plain.databases[DATABASE]?.['service'] as object), command: [program] };
    const agent = { name: 'db1', stateDir: stack.config.agent.stateDir };
    const configFile = await stack.writeConfig(agent, { service, startTimeoutMs, maxDowntimeMs: 1_000 });
    const config = await loadConfig(configFile);
    return { ...work, database: openDatabase({ config, configFile }, DATABASE) };
  }

  it('does not keep the old data from coming back while a watchdog waits for its answer', async () => {
    const work = await hangingWork();
    await expect(swapWithServerDown(work)).rejects.toMatchObject({ code: 'service-start-failed' });
    // The watchdog has waited for the mutex, and takes it before the workflow's next step can.
    await delay(1_500);
    const beganMs = Date.now();
    await swapWithServerDown({ ...work, plan: planRollBack(work.plan) });
    expect(Date.now() - beganMs).toBeLessThan(startTimeoutMs - 3_000);
    expect(await inode(stack.walDir)).toBe(Number(work.plan.oldWal?.inode));
    expect(await stack.service.isRunning()).toBe(true);
    expect(await readStopNote(stack.dataDir)).toBe(undefined);
    await expect(liveDigest(work.database.settings, work.database.timing, work.run.signal)).resolves.toMatchObject({ quiescent: true });
  });
});

/** Staged while the dead run's wal/ is not in place yet, and named as a restore that waits for the mutex has named it. */
async function workOfNext(dead: SwapWork<unknown>): Promise<SwapWork<unknown>> {
  const { dataDir } = stack;
  const next = restorePaths(dataDir, 'run-2').wal;
  await cp(restorePaths(dataDir, 'run-1').wal, next, { recursive: true });
  const plan = { ...(await planSwap(dataDir, 'run-2')), oldWal: dead.plan.newWal };
  return { ...dead, run: { ...dead.run, runId: 'run-2' }, plan };
}
