import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { rstowFolder } from '../../src/io/data-directory/rstow-folder.ts';
import type { Store } from '../../src/store/store.ts';
import { DATABASE } from '../support/database-stack.ts';
import { expectNothingLeft } from '../support/database-witness.ts';
import { filesBelow, folderHashes } from '../support/folder-hash.ts';
import { HELD_MS, holdBackups, reachStep } from '../support/held-backup.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { resetRun } from '../support/reset-run.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { storeIn } from '../support/store-in.ts';
import { waitUntil } from '../support/wait-until.ts';

const LONG_AGO = new Date(Date.now() - 2 * 3_600_000);

let scene: Scene;
let store: Store;
let first: HotBackupResult;

beforeAll(async () => {
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 1, timing: { tornTailMs: HELD_MS } },
  );
  store = await storeIn(await scene.stack.openRepository(), DATABASE);
  const load = await startLoadWriters({ address: scene.stack.address, writers: 2 });
  await load.acknowledgedAtLeast(200);
  await load.stop();
  first = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
});
afterAll(() => scene.close());

type Midway = { handle: WorkflowHandle; runId: string; label: string };

/** A backup that has taken its label, pinned its segments and kept its plans, and waits for the log's end. */
async function startMidway(): Promise<Midway> {
  const handle = await scene.temporal.start('hotBackup', { database: DATABASE });
  await reachStep(handle, 'storeSegments');
  const { runId } = await handle.describe();
  const claim = (await store.backups.claims()).find((one) => one.runId === runId);
  return { handle, runId, label: claim!.label };
}

const ofDatabase = (folder: string): string => join(scene.stack.repositoryDir, 'databases', DATABASE, folder);
/** Of runs: the restart guard's are nobody's to clear. */
const pins = async (): Promise<string[]> =>
  (await filesBelow(join(rstowFolder(scene.stack.dataDir), 'pins'))).filter((path) => path.includes('/run-'));
const plannedRuns = async (): Promise<string[]> => (await store.plans.runs()).map(({ runId }) => runId).sort();
const claimedBy = async (): Promise<string[]> => (await store.backups.claims()).map(({ runId }) => runId).sort();

it('a backup that is reset in mid-way goes on with its label, pins and plans, under its lock, and leaves no pin and no claim', async () => {
  const { letGo } = await holdBackups(scene.stack.walDir, 'held-by-reset');
  const { handle, runId, label } = await startMidway();
  const [pinned, planned] = [await pins(), await folderHashes(ofDatabase('plans'))];
  expect(pinned.filter((path) => path.includes(runId))).toEqual(pinned);
  expect(pinned).not.toEqual([]);
  const goesOn = await resetRun(scene.temporal.client, handle);
  await reachStep(goesOn, 'storeSegments');
  expect((await goesOn.describe()).runId).not.toBe(runId);
  expect(await pins()).toEqual(pinned);
  expect(await folderHashes(ofDatabase('plans'))).toEqual(planned);
  expect(await claimedBy()).toEqual([runId]);
  const another = scene.temporal.execute('hotBackup', { database: DATABASE });
  await expect(another).rejects.toMatchObject({ cause: { type: 'busy', details: [{ holder: handle.workflowId }] } });
  await letGo();
  const result = (await goesOn.result()) as HotBackupResult;
  expect(result).toMatchObject({ label, records: first.records! + 1 });
  expect(await store.backups.read(label)).toMatchObject({ runId, workflowId: handle.workflowId });
  expect(new Set(await plannedRuns())).toEqual(new Set([first.runId, runId]));
  expect(await claimedBy()).toEqual([]);
  await expectNothingLeft(scene.stack.dataDir);
});

/** As if everything that runs have decided so far were two hours old. */
async function makeOld(): Promise<void> {
  for (const folder of ['plans', 'labels']) {
    for (const path of await filesBelow(ofDatabase(folder))) await utimes(path, LONG_AGO, LONG_AGO);
  }
}

it('what ended runs have left in a repository is cleared by its owner’s agent, and nothing that an open run needs', async () => {
  // What was written behind the server's back it learns when it starts.
  await scene.stack.service.stop();
  await scene.stack.startServer();
  const { letGo } = await holdBackups(scene.stack.walDir, 'held-to-the-end');
  const killed = await startMidway();
  await killed.handle.terminate('test');
  const open = await startMidway();
  expect(await plannedRuns()).toEqual(expect.arrayContaining([first.runId, killed.runId, open.runId]));
  expect(await claimedBy()).toEqual([killed.runId, open.runId].sort());
  const backups = await readdir(ofDatabase('backups'));
  await makeOld();
  await scene.agent.kill();
  await scene.startAgent(scene.stack.configFile);
  const ended = [first.runId, killed.runId];
  await waitUntil('the plans of ended runs are gone', async () => !(await plannedRuns()).some((runId) => ended.includes(runId)));
  await waitUntil('the label of the ended run is free', async () => !(await claimedBy()).includes(killed.runId));
  expect(await plannedRuns()).toContain(open.runId);
  expect(await claimedBy()).toEqual([open.runId]);
  expect(await readdir(ofDatabase('backups'))).toEqual(backups);
  await letGo();
  const result = (await open.handle.result()) as HotBackupResult;
  expect(result).toMatchObject({ runId: open.runId, label: open.label });
  const again = await scene.temporal.execute('verifyBackup', { database: DATABASE, backup: first.label });
  expect(again).toMatchObject({ label: first.label, stateDigest: first.stateDigest });
});
