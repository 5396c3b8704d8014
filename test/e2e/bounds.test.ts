import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/activities/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { boundsRound } from '../support/bounds-round.ts';
import { DATABASE } from '../support/database-stack.ts';
import type { AcknowledgedWrite } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';

const ROUNDS = 3;

let scene: Scene;
beforeAll(async () => {
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    { segmentSizeMb: 4 },
  );
});
afterAll(() => scene.close());

// `node scripts/evidence/bounds.ts` does the same thirty times; docs/evidence.md has the outcome.
it('holds everything that 16 writers were told is stored before the backup began, byte for byte, in a copy that lives', async () => {
  const writes: AcknowledgedWrite[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const facts = await boundsRound(scene, writes);
    expect(facts.segments).toBeGreaterThan(round);
  }
  const { stack, temporal } = scene;
  const atRest = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const live = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(atRest.stateDigest);
  expect(live.instances).toBe(atRest.instances);
});
