import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { readArchivedLog } from '../../src/activities/archive/archived-log.ts';
import type { ArchivedExtents } from '../../src/contract/archive-wal.ts';
import { archiveWorkflowId } from '../../src/contract/names.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { wholeUntil } from '../../src/core/archive/tidying.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import type { Store } from '../../src/store/store.ts';
import { DATABASE } from '../support/database-stack.ts';
import { writeOrders } from '../support/odd-source.ts';
import { rstow, summaryOf } from '../support/rstow-command.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { storeIn } from '../support/store-in.ts';
import { waitUntil } from '../support/wait-until.ts';

const ARCHIVE = { enabled: true, intervalMs: 200, tidyMs: 500, keptMs: 0 };

let scene: Scene;
let store: Store;

beforeAll(async () => {
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 1, database: { archive: ARCHIVE } },
  );
  store = await storeIn(await scene.stack.openRepository(), DATABASE);
  await writeOrders(scene.stack.address, 10);
});
afterAll(() => scene.close());

const command = (...args: string[]) =>
  rstow(['archive', DATABASE, ...args, '--address', scene.temporalAddress, '--namespace', scene.namespace]);

/** Whether every byte of wal/ is stored in this timeline, and the same. */
async function isArchived(timeline: string): Promise<boolean> {
  const log = await readArchivedLog(store, timeline);
  const files = (await listSegments(scene.stack.walDir)) ?? [];
  return files.every(({ segment, sizeBytes }) => wholeUntil(log.piecesOf(segment)) === sizeBytes);
}

async function untilArchived(timeline = '0001'): Promise<void> {
  await waitUntil(`all is archived in timeline ${timeline}`, () => isArchived(timeline));
}

it('an agent keeps an archive of what it owns, whoever ends it', async () => {
  await untilArchived();
  const archive = scene.temporal.client.workflow.getHandle(archiveWorkflowId(DATABASE));
  const { runId } = await archive.describe();
  await archive.terminate('a person did it');
  await waitUntil('another run has begun', async () => (await archive.describe()).runId !== runId);
  await writeOrders(scene.stack.address, 3, 'after');
  await untilArchived();
});

it('is paused, resumed and asked by the command', async () => {
  const paused = await command('--pause');
  expect(paused).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('paused') as string });
  await writeOrders(scene.stack.address, 3, 'paused');
  expect((await command()).stdout).toMatch(/^paused by /m);
  await writeOrders(scene.stack.address, 3, 'paused-still');
  const before = await readArchivedLog(store, '0001');
  const asked = summaryOf(await command('--json')) as ArchivedExtents & Record<string, unknown>;
  const sizeBytes = (await readFile(join(scene.stack.walDir, '0000000000000001.wal'))).length;
  expect(asked).toMatchObject({ timeline: '0001', extents: { segments: 1, sizeBytes } });
  expect(before.extents()[0]!.endBytes).toBeLessThan(sizeBytes);
  expect(await command('--bandwidth', '2000000')).toMatchObject({ exitCode: 0 });
  expect(await command('--resume')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('resumed') as string });
  await writeOrders(scene.stack.address, 3, 'resumed');
  await untilArchived();
});

it('follows the new log as soon as a restore has put it in place', async () => {
  await scene.temporal.execute('hotBackup', { database: DATABASE });
  await writeOrders(scene.stack.address, 2, 'abandoned');
  await untilArchived();
  const restored = await scene.temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
  // Whoever restores the newest backup is told that there is more.
  expect(restored).toMatchObject({ timeline: '0002', archivedEnd: expect.stringMatching(/^[0-9]+$/) as string });
  await writeOrders(scene.stack.address, 4, 'continued');
  await untilArchived('0002');
});

it('says what is wrong with a name or a value', async () => {
  expect(await command('--bandwidth', '3')).toMatchObject({ exitCode: 2 });
  const { exitCode, stderr } = await rstow(['archive', 'nobody', '--address', scene.temporalAddress, '--namespace', scene.namespace]);
  expect(exitCode).not.toBe(0);
  expect(stderr).toContain('invalid-input');
});
