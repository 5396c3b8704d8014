import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type AgentConfig, agentConfigSchema } from '../../../../src/config/agent-config.ts';
import { type Database, openDatabase } from '../../../../src/database/database.ts';
import { localRunMutexName, newLocalRunId, notedRuns, noteRun, unfinishedExports } from '../../../../src/io/agent-state/run-files.ts';
import { listReplaced, restorePaths } from '../../../../src/io/data-directory/restores.ts';
import { pinSegments, listPins } from '../../../../src/io/data-directory/pins.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../../../src/io/mutex/host-mutex.ts';
import { processesWithOpenFilesUnder } from '../../../../src/io/process/open-files.ts';
import {
  clearExports,
  clearPins,
  clearRestores,
  clearRunNotes,
  clearScratch,
  forgetEndedRuns,
  runStates,
} from '../../../../src/worker/watch/leftovers.ts';
import {
  createPassingReplay,
  createRunningBackups,
  forgetRun,
  keepReplay,
  runsHere,
} from '../../../../src/activities/backup/running-backups.ts';
import { emptyState } from '../../../../src/replay/kept-state.ts';
import { openSegments } from '../../../../src/io/data-directory/segments.ts';

const SAFETY_MS = 60_000;
const LONG_AGO = new Date(Date.now() - 2 * 3_600_000);

/** Runs are called by the state that Temporal tells of them. */
const runs = { runState: async (runId: string) => runId.replace(/-.*/, '') as 'open' | 'closed' | 'unknown' };

let dataDir: string;
let config: AgentConfig;
let database: Database;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rstow-leftovers-'));
  const orders = { server: { address: '127.0.0.1:1' }, dataDir, repositories: ['local'], safetyCopyMs: SAFETY_MS };
  config = agentConfigSchema.parse({ repositories: { local: { kind: 'folder', path: '/backup' } }, databases: { orders } });
  database = openDatabase(hostOf(config), 'orders');
  await mkdir(join(dataDir, 'wal'));
  await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), 'records');
});

afterEach(() => rm(dataDir, { recursive: true }));

const hostOf = (read: AgentConfig): Parameters<typeof openDatabase>[0] => ({ config: read, configFile: '/nonexistent' });
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
  keepReplay(backups, { file, runId: 'closed-2', replay: createPassingReplay(emptyState(file)) });
  const left = backups.opened.get('closed-1')?.segments.segments[0]?.handle;
  await forgetEndedRuns(backups, runs);
  expect(runsHere(backups)).toEqual(['open-1']);
  expect(left?.fd).toBe(-1);
  await forgetRun(backups, 'open-1');
  expect(runsHere(backups)).toEqual([]);
});

test('takes an unknown run of which nothing was noted for one that has just begun, and an hour later for one that has ended', async () => {
  await pinSegments({ dataDir, timeline: '0001', runId: 'unknown-1' });
  await clearPins(dataDir, runs);
  expect(await listPins(dataDir)).toHaveLength(1);
  await utimes(join(dataDir, '.rstow/pins/0001/run-unknown-1'), LONG_AGO, LONG_AGO);
  await clearPins(dataDir, runs);
  expect(await listPins(dataDir)).toEqual([]);
});

test('removes what closed exports have not finished, wherever that lies, and nothing of an open one', async () => {
  const temporary = (runId: string): string => join(dataDir, `.archive.tar.gz.${runId}.rstow`);
  for (const runId of ['closed-1', 'closed-2', 'open-1']) await unfinishedExports.add(dataDir, runId, temporary(runId));
  // The second had not begun to write.
  for (const runId of ['closed-1', 'open-1']) await writeFile(temporary(runId), 'x');
  await writeFile(join(dataDir, 'archive.tar.gz'), 'x');
  await clearExports(configWith(dataDir), runs);
  expect(await readdir(dataDir)).toEqual(['.archive.tar.gz.open-1.rstow', 'archive.tar.gz', 'exports', 'wal']);
  expect((await unfinishedExports.list(dataDir)).map(({ runId }) => runId)).toEqual(['open-1']);
});

describe('a run that Temporal’s list doesn’t know', () => {
  const workflowId = 'rstow/orders/restore/1';
  /** The list is broken; asked for the run itself, Temporal knows. */
  const registryWhere = (state: 'open' | 'closed') => ({
    runState: async (_runId: string, askedFor?: string) => (askedFor === workflowId ? state : 'unknown'),
  });
  const leave = async (runId: string): Promise<void> => {
    await noteRun(dataDir, { workflowId, runId });
    await pinSegments({ dataDir, timeline: '0001', runId });
    const folders = [restorePaths(dataDir, runId).wal, join(dataDir, 'scratch', runId)];
    await fill(...folders);
    const old = [...folders, restorePaths(dataDir, runId).root, join(dataDir, '.rstow/pins/0001', `run-${runId}`)];
    for (const folder of old) await utimes(folder, LONG_AGO, LONG_AGO);
  };
  const clear = async (state: 'open' | 'closed'): Promise<void> => {
    const config = configWith(dataDir);
    const states = runStates(config, registryWhere(state));
    await clearPins(dataDir, states);
    await clearRestores(database, states, 0);
    await clearScratch(hostOf(config), states);
    await clearRunNotes(config, createRunningBackups(), states);
  };
  const left = async (): Promise<unknown> => [
    (await listPins(dataDir)).map(({ runId }) => runId),
    await readdir(join(dataDir, '.rstow/restores')),
    await readdir(join(dataDir, 'scratch')),
    await notedRuns(dataDir),
  ];

  test('keeps its pins, what it staged and its scratch folder as long as it is at work', async () => {
    await leave('run-1');
    await clear('open');
    expect(await left()).toEqual([['run-1'], ['run-1'], ['run-1'], ['run-1']]);
  });

  test('leaves nothing once it has ended', async () => {
    await leave('run-1');
    await clear('closed');
    expect(await left()).toEqual([[], [], [], []]);
  });

  test('gives its descriptors back before its note goes', async () => {
    await noteRun(dataDir, { workflowId, runId: 'run-1' });
    const backups = createRunningBackups();
    const segments = await openSegments(join(dataDir, 'wal'));
    if (segments !== undefined) backups.opened.set('run-1', { dataDir, segments });
    const states = runStates(configWith(dataDir), registryWhere('closed'));
    await clearRunNotes(configWith(dataDir), backups, states);
    expect(await notedRuns(dataDir)).toEqual(['run-1']);
    await forgetEndedRuns(backups, states);
    await clearRunNotes(configWith(dataDir), backups, states);
    expect(await notedRuns(dataDir)).toEqual([]);
    expect(backups.opened.size).toBe(0);
  });
});

test('removes what a closed restore staged at once, and what it replaced when the safety time is over', async () => {
  const closed = restorePaths(dataDir, 'closed-1');
  const open = restorePaths(dataDir, 'open-1');
  for (const paths of [closed, open]) await fill(paths.wal, paths.rehearsal, paths.replaced);
  await clearRestores(database, runs, 0);
  expect((await readdir(closed.root)).sort()).toEqual(['kept-ms', 'replaced']);
  expect((await readdir(open.root)).sort()).toEqual(['rehearsal', 'replaced', 'wal']);
  await clearRestores(database, runs, SAFETY_MS - 1);
  expect(await listReplaced(dataDir)).toMatchObject([{ path: closed.replaced, keptMs: SAFETY_MS - 1 }, { keptMs: 0 }]);
  await clearRestores(database, runs, 1);
  expect(await readdir(join(dataDir, '.rstow/restores'))).toEqual(['open-1']);
});

test('passes over what a person has put among what runs leave, and clears the rest all the same', async () => {
  const stateDir = join(dataDir, 'agent');
  const places = [join(dataDir, '.rstow/restores'), join(dataDir, '.rstow/pins/0001'), join(stateDir, 'scratch')];
  const byHand = places.map((place) => join(place, 'closed-0 (keep)'));
  const byRuns = [restorePaths(dataDir, 'closed-1').wal, join(places[1]!, 'run-closed-1'), join(places[2]!, 'closed-1')];
  await fill(...byHand, join(places[1]!, 'run-closed-0 (keep)'), ...byRuns);
  for (const folder of [...byHand, join(places[1]!, 'run-closed-0 (keep)')]) await utimes(folder, LONG_AGO, LONG_AGO);
  await clearRestores(database, runs, SAFETY_MS);
  await clearPins(dataDir, runs);
  await clearScratch(hostOf(configWith(stateDir)), runs);
  expect(await listReplaced(dataDir)).toEqual([]);
  expect(await Promise.all(places.map((place) => readdir(place)))).toEqual([
    ['closed-0 (keep)'],
    ['closed-0 (keep)', 'run-closed-0 (keep)'],
    ['closed-0 (keep)'],
  ]);
});

test('keeps what a restore has replaced though the clock jumps ahead by more than the safety time', async () => {
  const { replaced } = restorePaths(dataDir, 'closed-1');
  await fill(replaced);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8 * 86_400_000 });
  try {
    for (let pass = 0; pass < 3; pass += 1) await clearRestores(database, runs, 1_000);
  } finally {
    vi.useRealTimers();
  }
  expect(await readdir(replaced)).toEqual(['file']);
});

test('begins the safety time anew where what was counted of it can’t be read', async () => {
  const { root, replaced } = restorePaths(dataDir, 'closed-1');
  await fill(replaced);
  await writeFile(join(root, 'kept-ms'), '99999999');
  await clearRestores(database, runs, SAFETY_MS - 1);
  expect(await readdir(replaced)).toEqual(['file']);
});

test('leaves every restore alone while a stop note lies there', async () => {
  await fill(restorePaths(dataDir, 'closed-1').wal);
  const note = {
    format: 1,
    kind: 'swap',
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
  await clearRestores(database, runs, 0);
  expect(await readdir(join(dataDir, '.rstow/restores/closed-1'))).toEqual(['wal']);
});

test('leaves every restore alone while another process changes the directory', async () => {
  await fill(restorePaths(dataDir, 'closed-1').wal);
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), { what: 'a swap', waitTimeoutMs: 0 });
  try {
    await expect(clearRestores(database, runs, 0)).rejects.toMatchObject({ code: 'busy' });
  } finally {
    await mutex.release();
  }
  expect(await readdir(join(dataDir, '.rstow/restores/closed-1'))).toEqual(['wal']);
});

test('removes the scratch folders of closed runs only, and minds none where there was never one', async () => {
  await clearScratch(hostOf(configWith(join(dataDir, 'nowhere'))), runs);
  await fill(join(dataDir, 'scratch/closed-1'), join(dataDir, 'scratch/open-1'));
  await clearScratch(hostOf(configWith(dataDir)), runs);
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
    await clearScratch(hostOf(configWith(dataDir)), runs);
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
    await clearRestores(database, runs, 0);
    expect(await readdir(join(dataDir, '.rstow/restores'))).toEqual([atWork]);
  } finally {
    await mutex.release();
  }
  await clearRestores(database, runs, 0);
  expect(await readdir(join(dataDir, '.rstow/restores'))).toEqual([]);
});
