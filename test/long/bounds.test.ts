import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { boundsRound } from '../support/bounds-round.ts';
import { DATABASE } from '../support/database-stack.ts';
import type { AcknowledgedWrite } from '../support/load-writers.ts';
import { openScene, type Scene } from '../support/scene.ts';

const writes: AcknowledgedWrite[] = [];

let scene: Scene;
beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 4 });
});
afterAll(() => scene.close());

// `node scripts/evidence/bounds.ts` does the same thirty times; docs/evidence.md has the outcome.
describe('a backup under 16 writers at full speed', () => {
  it.each([1, 2, 3])(
    'holds all that they were told is stored before it began, byte for byte, in a copy that lives (%i of 3)',
    async (round) => {
      const { recordsChecked, segments } = await boundsRound(scene, writes);
      expect(recordsChecked).toBeGreaterThanOrEqual(5000 * round);
      if (round > 1) expect(segments).toBeGreaterThan(1);
    },
  );

  it('is followed by one at rest whose digest is the live server’s', async () => {
    const { stack, temporal } = scene;
    const atRest = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    const live = await liveDigest(stack.settings, stack.config.timing, new AbortController().signal);
    expect(live.stateDigest).toBe(atRest.stateDigest);
    expect(live.instances).toBe(atRest.instances);
  });
});
