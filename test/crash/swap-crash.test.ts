import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StopNote } from '../../src/formats/data-directory.ts';
import { finishOnDisk } from '../../src/database/finish-stop-note.ts';
import { blockServer, isServerBlocked } from '../../src/io/data-directory/server-block.ts';
import { readStopNote, removeStopNote } from '../../src/io/data-directory/rstow-folder.ts';
import { finishSwap, planRollBack, planStop, swapWal } from '../../src/io/data-directory/swap.ts';
import { makeTemplates, noteOf, RUN_ID, setScene, startOutcome, type Templates } from '../integration/io/data-directory/swap-scene.ts';

const CHILD = new URL('support/dying-swap.ts', import.meta.url).pathname;
const CHANGES_MIN = 8;
const CHANGES_MAX = 40;

let folder: string;
let templates: Templates;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-swap-crash-'));
  templates = await makeTemplates(folder);
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

/** Whether the child lived to its end. */
async function swapUntil(dataDir: string, note: StopNote, dieBefore: number): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, dataDir, JSON.stringify(note), String(dieBefore)], { stdio: 'inherit' });
  const [exitCode, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect([exitCode, signal]).toEqual(exitCode === 0 ? [0, null] : [null, 'SIGKILL']);
  return exitCode === 0;
}

/** What a server sees in the state that the dead child left, then what finishing makes of it. */
async function expectRepaired(dataDir: string, allowed: { before: string[]; after: string[] }): Promise<void> {
  const note = await readStopNote(dataDir);
  expect(allowed.before).toContain(await startOutcome(dataDir));
  if (note === undefined) return;
  await finishOnDisk(dataDir, note);
  await removeStopNote(dataDir);
  expect(await isServerBlocked(dataDir)).toBe(false);
  expect(allowed.after).toContain(await startOutcome(dataDir));
}

async function killAtEachChange(
  name: string,
  scene: (dataDir: string) => Promise<StopNote>,
  allowed: { before: string[]; after: string[] },
): Promise<number> {
  for (let change = 1; change < CHANGES_MAX; change += 1) {
    const dataDir = join(folder, `${name}-${change}`);
    const note = await scene(dataDir);
    const finished = await swapUntil(dataDir, note, change);
    await expectRepaired(dataDir, finished ? { before: allowed.after, after: [] } : allowed);
    if (finished) return change;
  }
  throw new Error('the swap makes more changes than expected');
}

it('repairs a swap that is killed before any of its changes of the disk', { timeout: 120_000 }, async () => {
  const scene = async (dataDir: string): Promise<StopNote> => noteOf(await setScene(templates, dataDir, 'old'));
  const changes = await killAtEachChange('swap', scene, { before: ['old', 'new', 'refused'], after: ['old', 'new'] });
  expect(changes).toBeGreaterThan(CHANGES_MIN);
});

it('repairs a restore of lost data that is killed before any of its changes of the disk', { timeout: 120_000 }, async () => {
  const scene = async (dataDir: string): Promise<StopNote> => noteOf(await setScene(templates, dataDir, 'lost'));
  // Before the block a server starts on nothing, as it would have without us.
  const changes = await killAtEachChange('lost', scene, { before: ['', 'new', 'refused'], after: ['new'] });
  expect(changes).toBeGreaterThan(CHANGES_MIN);
});

it('repairs a roll-back that is killed before any of its changes of the disk', { timeout: 120_000 }, async () => {
  const scene = async (dataDir: string): Promise<StopNote> => {
    const plan = await setScene(templates, dataDir, 'old');
    await blockServer(dataDir, noteOf(plan));
    await swapWal(dataDir, noteOf(plan));
    await finishSwap(dataDir, noteOf(plan));
    return noteOf(planRollBack(plan));
  };
  const changes = await killAtEachChange('back', scene, { before: ['old', 'new', 'refused'], after: ['old', 'new'] });
  expect(changes).toBeGreaterThan(CHANGES_MIN);
});

it(
  'repairs a mere stop that is killed before any of its changes of the disk, and gives the snapshots back',
  { timeout: 120_000 },
  async () => {
    const dataDirs: string[] = [];
    const scene = async (dataDir: string): Promise<StopNote> => {
      dataDirs.push(dataDir);
      await cp(templates.oldDir, dataDir, { recursive: true });
      const holder = { pid: process.pid, startTicks: 1 };
      const common = { format: 1 as const, runId: RUN_ID, database: 'orders', deadlineMs: 2, holder, createdAtMs: 1 };
      return { ...common, kind: 'stopped', phase: 'stopping', ...(await planStop(dataDir, RUN_ID)) };
    };
    const changes = await killAtEachChange('stop', scene, { before: ['old', 'refused'], after: ['old'] });
    expect(changes).toBeGreaterThan(CHANGES_MIN / 2);
    for (const dataDir of dataDirs) expect((await readdir(join(dataDir, 'snapshots'))).some((name) => name.endsWith('.snap'))).toBe(true);
  },
);
