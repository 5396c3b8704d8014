import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreInput, RestoreResult } from '../../src/contract/restore.ts';
import { seenDown } from '../crash/support/server-process.ts';
import { readWal, requireWrite } from '../support/bounds-round.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
let stack: DatabaseStack;

beforeEach(async () => {
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 1 },
  );
  ({ stack } = scene);
});
afterEach(() => scene.close());

const backUp = (): Promise<HotBackupResult> => scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
const restore = (input: Omit<RestoreInput, 'database'>): Promise<RestoreResult> =>
  scene.temporal.execute<RestoreResult>('restore', { database: DATABASE, ...input });

it('loses nothing that was acknowledged: a restore of what a restore replaced brings all of it back, with writers until the stop', async () => {
  const first = await startLoadWriters({ address: stack.address, writers: 4, prefix: 'first' });
  await first.acknowledgedAtLeast(300);
  await first.stop();
  const older = await backUp();
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix: 'unsaved' });
  await load.acknowledgedAtLeast(750);
  const planned = await restore({ backup: older.label!, dryRun: true });
  expect(planned.replaces!.unsavedRecords).toBeGreaterThanOrEqual(750);
  expect(planned.replaces!.instances).toBeGreaterThan(older.instances!);
  const run = await scene.temporal.start('restore', { database: DATABASE, backup: older.label! });
  await seenDown(stack);
  const { acknowledged } = await load.stop();
  const restored = (await run.result()) as RestoreResult;
  expect(restored).toMatchObject({ outcome: 'done', label: older.label, instances: older.instances });
  expect(restored.savedAs).toMatch(/-tail$/);
  expect(await restore({ backup: 'latest', dryRun: true })).toMatchObject({ stateDigest: older.stateDigest, fromTimeline: '0002' });
  const back = await restore({ backup: restored.savedAs! });
  expect(back).toMatchObject({ outcome: 'done', fromTimeline: '0001', timeline: '0003' });
  expect(acknowledged.length).toBeGreaterThanOrEqual(750);
  const wal = await readWal(stack.walDir);
  for (const acknowledgedWrite of acknowledged) requireWrite(wal, acknowledgedWrite);
  // Between the two restores nothing was written: its newest backup holds all of it, and no other one is made.
  expect(back.savedAs).toBe(restored.firstBackup!.label);
});
