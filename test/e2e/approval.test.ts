import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { DATABASE } from '../support/database-stack.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { waitUntil } from '../support/wait-until.ts';

const EXPIRES_MS = 15_000;

let scene: Scene;
let planHash: string;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  const approval = { for: ['restore'], expiresMs: EXPIRES_MS };
  scene = await openScene(shared, { segmentSizeMb: 1, database: { approval } });
  const load = await startLoadWriters({ address: scene.stack.address, writers: 2 });
  await load.acknowledgedAtLeast(200);
  await load.stop();
  await scene.temporal.execute('hotBackup', { database: DATABASE });
});

afterAll(() => scene.close());

/** A restore that waits, and the hash of its plan. */
async function waitingRestore(): Promise<WorkflowHandle> {
  const handle = await scene.temporal.start('restore', { database: DATABASE, backup: 'latest', requestedBy: 'ann' });
  await waitUntil(
    'the restore waits for approval',
    async () => (await handle.query<{ phase: string }>('progress')).phase === 'waiting for approval',
  );
  const { waitsFor } = await handle.query<{ waitsFor: string }>('progress');
  planHash = /"planHash": "([0-9a-f]{64})"/.exec(waitsFor)?.[1] ?? '';
  return handle;
}

const walHashes = (): Promise<Map<string, string>> => folderHashes(scene.stack.walDir);

it('takes no approval by the one who asked, nor of another plan, and ends denied with nothing touched', async () => {
  const before = await walHashes();
  const handle = await waitingRestore();
  await expect(handle.executeUpdate('approve', { args: [{ planHash, by: 'ann' }] })).rejects.toMatchObject({
    cause: { type: 'approval-denied' },
  });
  const other = 'f'.repeat(64);
  await expect(handle.executeUpdate('approve', { args: [{ planHash: other, by: 'bob' }] })).rejects.toMatchObject({
    cause: { type: 'approval-denied' },
  });
  await handle.executeUpdate('deny', { args: [{ by: 'bob', reason: 'wrong database' }] });
  await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'approval-denied' } });
  expect(await walHashes()).toEqual(before);
});

it('goes on when another person approves the plan, though the agent was killed meanwhile', async () => {
  const handle = await waitingRestore();
  await scene.agent.kill('SIGKILL');
  await scene.startAgent(scene.stack.configFile);
  await handle.executeUpdate('approve', { args: [{ planHash, by: 'bob' }] });
  expect((await handle.result()) as RestoreResult).toMatchObject({ outcome: 'done', timeline: '0002' });
});

it('expires where nobody decides', async () => {
  const before = await walHashes();
  const handle = await waitingRestore();
  await expect(handle.result()).rejects.toMatchObject({ cause: { type: 'approval-expired' } });
  expect(await walHashes()).toEqual(before);
});
