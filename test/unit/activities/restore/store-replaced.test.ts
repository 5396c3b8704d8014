import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { storeInPlace } from '../../../../src/activities/restore/store-replaced.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { DATABASE, makeScene, runOf } from '../scene.ts';

it('stores what a restore replaces although the agent’s state directory can take no checkpoint, and says so', async () => {
  const scene = await makeScene();
  await scene.writeSegment(goldenSegment());
  // Nothing can be written below a file.
  await writeFile(scene.deps.config.agent.stateDir, '');
  const stored = await storeInPlace(scene.deps, { database: DATABASE, repository: 'local', tornTailMs: 0 }, runOf('restore'));
  expect(stored).toMatchObject({ kind: 'stored', warnings: [{ code: 'checkpoint-not-kept' }] });
});
