import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type AgentConfig, agentConfigSchema, type DatabaseConfig } from '../../../src/config/agent-config.ts';
import { pinSegments, listPins } from '../../../src/io/data-directory/pins.ts';
import { restorePaths } from '../../../src/io/data-directory/staging.ts';
import { dataDirectoryMutexName } from '../../../src/io/mutex/data-directory-mutex-name.ts';
import { acquireHostMutex } from '../../../src/io/mutex/host-mutex.ts';
import { processesWithOpenFilesUnder } from '../../../src/io/process/open-files.ts';
import { clearPins, clearRestores, clearScratch, forgetEndedRuns } from '../../../src/worker/leftovers.ts';
import { createRunningBackups, forgetRun, keepReplay, runsHere } from '../../../src/activities/backup/running-backups.ts';
import { createPassingReplay } from '../../../src/activities/backup/passing-replay.ts';
import { openSegments } from '../../../src/io/data-directory/segments.ts';
import { localRunMutexName, newLocalRunId } from '../../../src/worker/local/local-run-id.ts';

const SAFETY_MS = 60_000;
const LONG_AGO = new Date(Date.now() - 2 * 3_600_000);

/** Runs are called by the state that Temporal tells of them. */
const runs = { runState: async (runId: string) => runId.replace(/-.*/, '') as 'open' | 'closed' | 'unknown' };

let dataDir: string;
let config: AgentConfig;
let settings: DatabaseConfig;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rstow-leftovers-'));
  const orders = { server: { address: '127.0.0.1:1' }, dataDir, repositories: ['local'], safetyCopyMs: SAFETY_MS };
  config = agentConfigSchema.parse({ repositories: { local: { kind: 'folder', path: '/backup' } }, databases: { orders } });
  settings = config.databases['orders']!;
  await mkdir(join(dataDir, 'wal'));
  await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), 'records');
});

afterEach(() => rm(dataDir, { recursive: true }));

const configWith = (stateDir: string): AgentConfig => ({ ...config, agent: { stateDir } });

async function fill(...folders: string[]): Promise<void> {
  for (const folder of folders) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'file'), 'x');
  }
}

test('unpins what a closed run has left, and nothing of an open one', async () => {
  for (const runId of ['closed-1', 'open-1', 'unknown-1']) await pinSegments({ dataDir, timeline: '0001', runId });
  await clearPins(dataDir, runs);
  expect((await listPins(dataDir)).map(({ runId }) => runId)).toEqual(['open-1', 'unknown-1']);
});

test('lets go of the open segments and the replay that a closed run has left, and of nothing of an open one', async () => {
  const backups = createRunningBackups();
  for (const runId of ['closed-1', 'open-1']) {
    const segments = await openSegments(join(dataDir, 'wal'));
    if (segments !== undefined) backups.opened.set(runId, { dataDir, segments });
  }
  const file = { stateDir: dataDir, database: 'orders', binding: { timeline: '0001', walInode: '1' } };
  keepReplay(backups, { file, runId: 'closed-2', replay: createPassingReplay() });
  const left = backups.opened.get('closed-1')?.segments.segments[0]?.handle;
  await forgetEndedRuns(backups, runs);
  expect(runsHere(backups)).toEqual(['open-1']);
  expect(left?.fd).toBe(-1);
  await forgetRun(backups, 'open-1');
  expect(runsHere(backups)).toEqual([]);
});

test('takes an unknown run for one that has just begun, and an hour later for a forgotten one', async () => {
  await pinSegments({ dataDir, timeline: '0001', runId: 'unknown-1' });
  await utimes(join(dataDir, '.rstow/pins/0001/run-unknown-1'), LONG_AGO, LONG_AGO);
  await clearPins(dataDir, runs);
  expect(await listPins(dataDir)).toEqual([]);
});

test('removes what a closed restore staged at once, and what it replaced when the safety time is over', async () => {
  const fresh = restorePaths(dataDir, 'closed-fresh');
  const old = restorePaths(dataDir, 'closed-old');
  const open = restorePaths(dataDir, 'open-1');
  for (const paths of [fresh, old, open]) await fill(paths.wal, paths.rehearsal, paths.replaced);
  await utimes(old.replaced, LONG_AGO, LONG_AGO);
  await clearRestores(settings, runs);
  expect(await readdir(fresh.root)).toEqual(['replaced']);
  expect((await readdir(open.root)).sort()).toEqual(['rehearsal', 'replaced', 'wal']);
  expect((await readdir(join(dataDir, '.rstow/restores'))).sort()).toEqual(['closed-fresh', 'open-1']);
});

test('leaves every restore alone while a stop note lies there', async () => {
  await fill(restorePaths(dataDir, 'closed-1').wal);
  const note = {
    format: 1,
    runId: 'closed-1',
    database: 'orders',
    phase: 'swapping',
    oldWal: null,
    newWal: { inode: '5' },
    stagedWal: '.rstow/restores/closed-1/wal',
    replacedDir: '.rstow/restores/closed-1/replaced',
    deadlineMs: 0,
    holder: { pid: 1, startTicks: 1 },
    createdAtMs: 0,
  };
  await writeFile(join(dataDir, '.rstow/stop.json'), JSON.stringify(note));
  await clearRestores(settings, runs);
  expect(await readdir(join(dataDir, '.rstow/restores/closed-1'))).toEqual(['wal']);
});

test('leaves every restore alone while another process changes the directory', async () => {
  await fill(restorePaths(dataDir, 'closed-1').wal);
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), { what: 'a swap', waitTimeoutMs: 0 });
  try {
    await expect(clearRestores(settings, runs)).rejects.toMatchObject({ code: 'busy' });
  } finally {
    await mutex.release();
  }
  expect(await readdir(join(dataDir, '.rstow/restores/closed-1'))).toEqual(['wal']);
});

test('removes the scratch folders of closed runs only, and minds none where there was never one', async () => {
  await clearScratch(configWith(join(dataDir, 'nowhere')), runs);
  await fill(join(dataDir, 'scratch/closed-1'), join(dataDir, 'scratch/open-1'));
  await clearScratch(configWith(dataDir), runs);
  expect(await readdir(join(dataDir, 'scratch'))).toEqual(['open-1']);
});

test('ends a recovery test’s server that has outlived its agent, before its folder goes', async () => {
  const folders = ['scratch/closed-1', 'scratch/open-1'].map((name) => join(dataDir, name));
  await fill(...folders);
  const [ended, spared] = folders.map((folder) => spawn('sh', ['-c', 'exec sleep 60 >file'], { cwd: folder, stdio: 'ignore' }));
  const end = once(ended!, 'exit');
  try {
    await vi.waitFor(async () => expect(await processesWithOpenFilesUnder(dataDir, { writersOnly: true })).toHaveLength(2), {
      timeout: 10_000,
    });
    await clearScratch(configWith(dataDir), runs);
    expect(await end).toEqual([null, 'SIGKILL']);
    expect(spared!.exitCode ?? spared!.signalCode).toBeNull();
  } finally {
    spared!.kill('SIGKILL');
  }
});

test('asks the mutex, not Temporal, whether a restore without Temporal is still at work', async () => {
  const [atWork, ended] = [newLocalRunId(), newLocalRunId()];
  for (const runId of [atWork, ended]) await fill(restorePaths(dataDir, runId).wal);
  await utimes(restorePaths(dataDir, atWork).root, LONG_AGO, LONG_AGO);
  const mutex = await acquireHostMutex(localRunMutexName(atWork), { what: 'test', waitTimeoutMs: 0 });
  try {
    await clearRestores(settings, runs);
    expect(await readdir(join(dataDir, '.rstow/restores'))).toEqual([atWork]);
  } finally {
    await mutex.release();
  }
  await clearRestores(settings, runs);
  expect(await readdir(join(dataDir, '.rstow/restores'))).toEqual([]);
});
