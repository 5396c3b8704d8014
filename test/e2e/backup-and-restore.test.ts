import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => scene.close());

it('backs up under load, loses everything, and gets the same state back', async () => {
  const { stack, temporal } = scene;
  const load = await startLoadWriters({ address: stack.address, writers: 8 });
  await load.acknowledgedAtLeast(2000);
  const underLoad = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(underLoad.records).toBeGreaterThanOrEqual(2000);
  await load.stop();
  const atRest = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const verified = await temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE });
  expect(verified).toMatchObject({ label: atRest.label, stateDigest: atRest.stateDigest, records: atRest.records });

  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  const restored = await temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
  expect(restored).toMatchObject({ outcome: 'done', label: atRest.label, dataDir: stack.dataDir, timeline: '0002', rehearsal: 'passed' });
  expect(restored).not.toHaveProperty('replacedAt');
  const live = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(atRest.stateDigest);
});
