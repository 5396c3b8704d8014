import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { blockServer, isServerBlocked } from '../../../../src/io/data-directory/server-block.ts';
import { restorePaths } from '../../../../src/io/data-directory/restores.ts';
import {
  finishSwap,
  moveNewWalIn,
  moveOldWalAside,
  planRollBack,
  swapWal,
  whichWalIsInPlace,
} from '../../../../src/io/data-directory/swap.ts';
import { exists, makeTemplates, noteOf, RUN_ID, setScene, startOutcome, type Templates } from './swap-scene.ts';

let folder: string;
let templates: Templates;
let dataDir: string;
let scenes = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-swap-'));
  templates = await makeTemplates(folder);
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

beforeEach(() => {
  scenes += 1;
  dataDir = join(folder, `scene-${scenes}`);
});

it('shows a server that starts after any step the whole old wal/, the whole new one, or no start', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  expect(await startOutcome(dataDir)).toBe('old');
  await blockServer(dataDir, note);
  expect(await startOutcome(dataDir)).toBe('refused');
  expect(await whichWalIsInPlace(dataDir, note)).toBe('old');
  await moveOldWalAside(dataDir, note);
  expect(await startOutcome(dataDir)).toBe('refused');
  // The server has made an empty wal/ before it saw the block.
  expect(await readdir(join(dataDir, 'wal'))).toEqual([]);
  expect(await whichWalIsInPlace(dataDir, note)).toBe('none');
  await moveNewWalIn(dataDir, note);
  expect(await startOutcome(dataDir)).toBe('refused');
  expect(await whichWalIsInPlace(dataDir, note)).toBe('new');
  expect(await finishSwap(dataDir, note)).toBe('new');
  expect(await startOutcome(dataDir)).toBe('new');
});

it('repeats every step without harm', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  for (let time = 0; time < 2; time += 1) await blockServer(dataDir, note);
  for (let time = 0; time < 2; time += 1) await moveOldWalAside(dataDir, note);
  for (let time = 0; time < 2; time += 1) await swapWal(dataDir, note);
  for (let time = 0; time < 2; time += 1) expect(await finishSwap(dataDir, note)).toBe('new');
  expect(await exists(join(dataDir, 'snapshots'))).toBe(false);
  expect(await exists(join(restorePaths(dataDir, RUN_ID).replaced, 'snapshots', 'index.json'))).toBe(true);
  expect(await startOutcome(dataDir)).toBe('new');
});

it('gives the old data their snapshots back when the swap did not come about', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  await blockServer(dataDir, note);
  expect(await finishSwap(dataDir, note)).toBe('old');
  expect(await exists(join(dataDir, 'snapshots', 'index.json'))).toBe(true);
  expect(await startOutcome(dataDir)).toBe('old');
});

it('puts the old wal/ back where neither is in place and the new one is gone', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  await blockServer(dataDir, note);
  await moveOldWalAside(dataDir, note);
  await rm(join(dataDir, note.stagedWal), { recursive: true });
  await expect(moveNewWalIn(dataDir, note)).rejects.toMatchObject({ code: 'data-directory-replaced' });
  expect(await finishSwap(dataDir, note)).toBe('old');
  expect(await startOutcome(dataDir)).toBe('old');
});

it('keeps the block and fails where neither wal/ is left', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  await blockServer(dataDir, note);
  await rm(join(dataDir, 'wal'), { recursive: true });
  await rm(join(dataDir, note.stagedWal), { recursive: true });
  await expect(finishSwap(dataDir, note)).rejects.toMatchObject({ code: 'data-directory-replaced' });
  expect(await isServerBlocked(dataDir)).toBe(true);
});

it('brings new data to a directory whose data are lost', async () => {
  const plan = await setScene(templates, dataDir, 'lost');
  expect(plan.oldWal).toBeNull();
  const note = noteOf(plan);
  await blockServer(dataDir, note);
  await swapWal(dataDir, note);
  expect(await finishSwap(dataDir, note)).toBe('new');
  expect(await startOutcome(dataDir)).toBe('new');
});

it('keeps its hands off a wal/ that is neither of the two', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  await blockServer(dataDir, note);
  await rename(join(dataDir, 'wal'), join(dataDir, 'moved-by-somebody'));
  await mkdir(join(dataDir, 'wal'));
  await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), 'somebody’s record');
  expect(await whichWalIsInPlace(dataDir, note)).toBe('foreign');
  for (const step of [swapWal, moveNewWalIn, finishSwap]) {
    await expect(step(dataDir, note)).rejects.toMatchObject({ code: 'data-directory-replaced' });
  }
  expect(await readdir(join(dataDir, 'wal'))).toEqual(['0000000000000001.wal']);
  expect(await isServerBlocked(dataDir)).toBe(true);
});

it('puts a wal/ with nothing but empty segments away instead of failing on it, and keeps it', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  await blockServer(dataDir, note);
  await moveOldWalAside(dataDir, note);
  await mkdir(join(dataDir, 'wal'));
  await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), '');
  await moveNewWalIn(dataDir, note);
  expect((await readdir(restorePaths(dataDir, RUN_ID).root)).filter((name) => name.startsWith('husk-'))).toHaveLength(1);
  expect(await finishSwap(dataDir, note)).toBe('new');
  expect(await startOutcome(dataDir)).toBe('new');
});

it('never swaps while servers may start', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  await expect(swapWal(dataDir, note)).rejects.toThrow('no server can start');
});

it('never touches a plain file called snapshots that is not its own', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'lost'));
  await writeFile(join(dataDir, 'snapshots'), 'somebody’s file');
  await expect(blockServer(dataDir, note)).rejects.toMatchObject({ code: 'data-directory-unsupported' });
  await expect(finishSwap(dataDir, note)).rejects.toMatchObject({ code: 'data-directory-unsupported' });
  expect(await exists(join(dataDir, 'snapshots'))).toBe(true);
});

it('keeps both where a server made new snapshots while they were moved aside, and gives the newer ones back', async () => {
  const note = noteOf(await setScene(templates, dataDir, 'old'));
  const { replaced } = restorePaths(dataDir, RUN_ID);
  await mkdir(replaced, { recursive: true });
  await rename(join(dataDir, 'snapshots'), join(replaced, 'snapshots'));
  await mkdir(join(dataDir, 'snapshots'));
  await writeFile(join(dataDir, 'snapshots', 'newer.snap'), '');
  await blockServer(dataDir, note);
  expect(await readdir(replaced)).toEqual(['snapshots', 'snapshots-2']);
  await finishSwap(dataDir, note);
  expect(await readdir(join(dataDir, 'snapshots'))).toEqual(['newer.snap']);
});

it('rolls back: the replaced data with their snapshots come in again, the restored ones are kept', async () => {
  const plan = await setScene(templates, dataDir, 'old');
  await blockServer(dataDir, noteOf(plan));
  await swapWal(dataDir, noteOf(plan));
  await finishSwap(dataDir, noteOf(plan));
  expect(await startOutcome(dataDir)).toBe('new');
  const back = noteOf(planRollBack(plan));
  await blockServer(dataDir, back);
  await moveOldWalAside(dataDir, back);
  expect(await startOutcome(dataDir)).toBe('refused');
  await swapWal(dataDir, back);
  expect(await finishSwap(dataDir, back)).toBe('new');
  expect(await startOutcome(dataDir)).toBe('old');
  expect(await exists(join(dataDir, 'snapshots', 'index.json'))).toBe(true);
  expect(await exists(join(restorePaths(dataDir, RUN_ID).rejected, 'wal', '0000000000000001.wal'))).toBe(true);
});
