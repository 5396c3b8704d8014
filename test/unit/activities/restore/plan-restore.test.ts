import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { planRestore } from '../../../../src/activities/restore/plan-restore.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
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
  await repository.put(pieceKey(DATABASE, '0001', { segment, ...ranges[0]!, suffix: '.zst' }), new Uint8Array(1));
  await writeSegment(goldenSegment().subarray(0, BOUNDARIES[1]));
  const plan = planRestore(deps);
  const input = { database: DATABASE, backup: 'latest', dryRun: true };
  const first = await plan(input, runOf('restore'));
  await writeSegment(goldenSegment());
  isUnread = true;
  expect((await plan(input, runOf('restore'))).planHash).toBe(first.planHash);
});

it('says what earlier restores have kept if the disk lacks the space', async () => {
  const repository = createMemoryRepository();
  const { deps, dataDir, writeSegment } = await makeScene(repository);
  await claimOwnership(repository, DATABASE, OWNER);
  await writeSegment(goldenSegment());
  const [{ ranges }] = manifest.segments as [(typeof manifest.segments)[number]];
  const endBytes = 2 ** 40 - 1;
  // More than any disk has.
  const segments = Array.from({ length: 2000 }, (_, index) => ({
    segment: makeSegmentId(index + 1)!,
    ranges: [{ ...ranges[0]!, startBytes: 0, endBytes }],
  }));
  for (const { segment } of segments) {
    await repository.put(pieceKey(DATABASE, '0001', { segment, startBytes: 0, endBytes, suffix: '.zst' }), new Uint8Array(1));
  }
  await putManifest(repository, { ...manifest, segments });
  const kept = join(dataDir, '.rstow/restores/earlier/replaced');
  await mkdir(join(kept, 'wal'), { recursive: true });
  await writeFile(join(kept, 'wal/0000000000000001.wal'), Buffer.alloc(3_000_000));
  const { warnings } = await planRestore(deps)({ database: DATABASE, backup: 'latest', dryRun: true }, runOf('restore'));
  const { message = '' } = warnings.find(({ code }) => code === 'not-enough-space') ?? {};
  expect(message).toContain('the restore would be refused: ');
  expect(message).toContain(`what earlier restores have replaced takes 3.0 MB there; if nobody will undo them from it, delete ${kept}`);
});

it('plans a restore from a repository that lacks the history in use', async () => {
  const repository = createMemoryRepository();
  const { deps, writeSegment } = await makeScene(repository);
  await claimOwnership(repository, DATABASE, { ...OWNER, timeline: '0002' });
  await putManifest(repository, manifest);
  const [{ segment, ranges }] = manifest.segments as [(typeof manifest.segments)[number]];
  await repository.put(pieceKey(DATABASE, '0001', { segment, ...ranges[0]!, suffix: '.zst' }), new Uint8Array(1));
  await writeSegment(goldenSegment());
  const plan = await planRestore(deps)({ database: DATABASE, backup: 'latest', dryRun: true }, runOf('restore'));
  expect(plan).toMatchObject({ label: manifest.label, archivedEnd: undefined });
});
