import { expect, it } from 'vitest';
import { planRestore } from '../../../../src/activities/restore/plan-restore.ts';
import { pieceKey } from '../../../../src/core/repository/piece.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { manifest } from '../../config/a-manifest.ts';
import { BOUNDARIES, DATABASE, makeScene, OWNER, runOf } from '../scene.ts';

it('gives the plan that stands if another attempt has made one at the same time', async () => {
  const repository = createMemoryRepository();
  let isUnread = false;
  const { deps, writeSegment } = await makeScene({
    ...repository,
    read: async (key, options) => {
      const isMissed = isUnread && key.includes('/plans/');
      if (isMissed) isUnread = false;
      return isMissed ? undefined : repository.read(key, options);
    },
  });
  await claimOwnership(repository, DATABASE, OWNER);
  await putManifest(repository, manifest);
  const [{ segment, ranges }] = manifest.segments as [(typeof manifest.segments)[number]];
  await repository.put(pieceKey(DATABASE, '0001', { segment, ...ranges[0]! }), new Uint8Array(1));
  await writeSegment(goldenSegment().subarray(0, BOUNDARIES[1]));
  const plan = planRestore(deps);
  const input = { database: DATABASE, backup: 'latest', dryRun: true };
  const first = await plan(input, runOf('restore'));
  await writeSegment(goldenSegment());
  isUnread = true;
  expect((await plan(input, runOf('restore'))).planHash).toBe(first.planHash);
});
