import { rm, writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { pinWal, unpinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments } from '../../../../src/activities/backup/store-segments.ts';
import { storeInPlace } from '../../../../src/activities/restore/store-replaced.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { DATABASE, makeScene, runOf } from '../scene.ts';

it('stores what a restore replaces although the agent’s state directory can take no checkpoint, and says so', async () => {
  const scene = await makeScene();
  await scene.writeSegment(goldenSegment());
  // Nothing can be written below a file.
  await writeFile(scene.deps.config.agent.stateDir, '');
  const stored = await storeInPlace(scene.deps, { database: DATABASE, repository: 'local', tornTailMs: 0 }, runOf('restore'));
  expect(stored).toMatchObject({ kind: 'stored', warnings: [{ code: 'checkpoint-not-kept' }] });
});

it('stores what a restore replaces although compaction has deleted segments that are stored, and no checkpoint is left', async () => {
  const scene = await makeScene();
  const where = { database: DATABASE, repository: 'local', timeline: '0001' };
  const first = await scene.writeSegment(goldenSegment());
  await scene.writeSegment(goldenSegment(), makeSegmentId(2));
  const { fenceKey } = await pinWal(scene.deps)(where, runOf('backup'));
  await storeSegments(scene.deps)({ ...where, fenceKey }, runOf('backup'));
  await unpinWal(scene.deps)(where, runOf('backup'));
  await rm(first);
  const stored = await storeInPlace(scene.deps, { database: DATABASE, repository: 'local', tornTailMs: 0 }, runOf('restore'));
  expect(stored).toMatchObject({ kind: 'stored', extents: [{ segment: 1 }, { segment: 2 }], warnings: [] });
});
