import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findPoint } from '../../../src/activities/recovery-point/find-point.ts';
import { planRestore } from '../../../src/activities/restore/plan-restore.ts';
import { stageWal } from '../../../src/activities/restore/stage-wal.ts';
import type { PointInTimeRecoveryResult } from '../../../src/contract/point-in-time-recovery.ts';
import type { RecoveryTarget } from '../../../src/core/recovery/target.ts';
import { makeSegmentId, segmentFileName } from '../../../src/core/wal/wal-offset.ts';
import { applyEvent, createInstance, deleteInstance } from '../../../src/io/rstmdb/instances.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp, explainPoint, recoverElsewhere, recoverInPlace, directDeps, directRun } from '../../support/direct-backup.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, withClient, writeOrders } from '../../support/odd-source.ts';

async function recovered(
  stack: DatabaseStack,
  target: RecoveryTarget,
): Promise<PointInTimeRecoveryResult & { digest: string; wal: Buffer }> {
  const dataDir = join(await scratchFolder(), 'recovered');
  const result = await recoverElsewhere(stack, { target }, dataDir);
  const wal = await readFile(join(dataDir, 'wal', segmentFileName(makeSegmentId(1)!)));
  return { ...result, wal, digest: await expectSound(stack, dataDir) };
}

it('brings an instance back, whole, that was deleted, and says in a dry run what it does', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 6);
  await withClient(stack.address, async (client) => {
    await deleteInstance(client, 'order-3');
    await createInstance(client, { id: 'later', machine: 'order', version: 1, ctxText: '{}' });
    await applyEvent(client, { instanceId: 'order-1', event: 'SHIP', payloadText: '{}' });
  });
  await backUp(stack);
  const target = { before: { instance: 'order-3', record: 'delete' as const } };
  const explained = await explainPoint(stack, { target });
  expect(explained.explanation).toMatchObject({
    nextRecord: { type: 'delete_instance', instance: 'order-3' },
    difference: {
      instancesCreated: { count: 1, first: ['order-3'] },
      instancesDeleted: { count: 1, first: ['later'] },
      instancesChanged: { count: 1, first: ['order-1'] },
    },
  });
  expect(explained.explanation!.lastRecords.at(-1)).toMatchObject({ type: 'apply_event', instance: 'order-5' });
  const { digest, instances, stateDigest, wal } = await recovered(stack, target);
  expect(instances).toBe(6);
  expect(digest).toBe(stateDigest);
  expect(wal.toString()).not.toContain('delete_instance');
});

it('recovers once more, to a little earlier, although the history of the first recovery has no backup yet', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 3);
  await backUp(stack);
  await writeOrders(stack.address, 4, 'more');
  await backUp(stack);
  await recoverInPlace(stack, { after: { instance: 'more-2', record: 'create' } });
  const latest = await explainPoint(stack, { target: { latest: true } });
  expect(latest).toMatchObject({
    instances: 6,
    explanation: { difference: { instancesDeleted: { count: 0 }, instancesCreated: { count: 0 } } },
  });
  const target = { before: { instance: 'more-1', record: 'create' } } as const;
  expect(await recovered(stack, target)).toMatchObject({ instances: 4 });
  await expect(recovered(stack, { after: { instance: 'more-3' } })).rejects.toMatchObject({ code: 'point-not-found' });
});

it('recovers to a mark: the state as it was when the mark was made, even if the agent died before the mark was written', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 4);
  const marked = await sourceDigest(stack);
  const markPath = join(stack.repositoryDir, `databases/${DATABASE}/marks/before-release.json`);
  await backUp(stack, {
    mark: 'before-release',
    afterManifest: async (again) => {
      await rm(markPath);
      await again();
    },
  });
  await writeOrders(stack.address, 3, 'later');
  await backUp(stack);
  const { digest, instances } = await recovered(stack, { name: 'before-release' });
  expect({ digest, instances }).toEqual({ digest: marked, instances: 4 });
  await expect(recovered(stack, { name: 'after-release' })).rejects.toMatchObject({
    code: 'mark-not-found',
    message: 'no mark is called "after-release"; there is before-release',
  });
});

it('gives no name twice, and begins no backup for it', async () => {
  const stack = await oddSource();
  const { label } = await backUp(stack, { mark: 'before-release' });
  await expect(backUp(stack, { mark: 'before-release' })).rejects.toMatchObject({
    code: 'mark-taken',
    message: expect.stringContaining(`it is the end of backup ${label} of `) as string,
  });
  expect((await readdir(join(stack.repositoryDir, `databases/${DATABASE}/backups`))).length).toBe(1);
  await backUp(stack, { mark: 'with-nothing-new' });
});

it('stages the cut log once more after an attempt that has died, the same bytes', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 6);
  await backUp(stack);
  const run = directRun(directDeps(stack));
  const dataDir = join(await scratchFolder(), 'staged');
  const found = await run(findPoint, { database: DATABASE, target: { sequence: 5 } });
  const { label: backup, repository, pointKey } = found;
  const { planKey, extents } = await run(planRestore, { database: DATABASE, repository, backup, pointKey, toDataDir: dataDir });
  expect(extents.end).toBe(found.end);
  const staging = { database: DATABASE, repository, planKey, startedAtMs: Date.now() };
  expect(await run(stageWal, staging)).toMatchObject({ records: 5, timeline: '0001' });
  expect(await run(stageWal, staging)).toMatchObject({ records: 5, timeline: '0001' });
});
