import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openDatabase } from '../../src/database/database.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { snapshottedInstances } from '../../src/io/data-directory/snapshots.ts';
import { writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, restoreElsewhere } from '../support/direct-backup.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest } from '../support/odd-source.ts';

async function counters(count: number, database = {}): Promise<DatabaseStack> {
  const stack = await oddSource({ segmentSizeMb: 0, database });
  await writeCounters(stack.address, { count });
  return stack;
}

const segmentsOf = async ({ walDir }: DatabaseStack): Promise<number[]> =>
  ((await listSegments(walDir)) ?? []).map(({ segment }) => segment);

it('a backup that lets the server compact is whole, and so is the server’s next start', async () => {
  const stack = await counters(8);
  await createGuard(openDatabase(stack, DATABASE)).look();
  const [before, segments] = [await sourceDigest(stack), await segmentsOf(stack)];
  const manifest = await backUp(stack, { compact: true });
  expect(manifest).toMatchObject({ restorable: 'from-log', stateDigest: before });
  expect((await snapshottedInstances(stack.dataDir)).size).toBe(8);
  expect(await segmentsOf(stack)).toEqual(segments);
  await stack.service.stop();
  await stack.startServer();
  expect(await sourceDigest(stack)).toBe(before);
  const target = join(await scratchFolder(), 'target');
  await restoreElsewhere(stack, manifest.label, target);
  expect(await expectSound(stack, target)).toBe(before);
});

it('is refused while the guard does not work, before anything is done', async () => {
  const stack = await counters(8, { guard: { enabled: false } });
  const segments = await segmentsOf(stack);
  await expect(backUp(stack, { compact: true })).rejects.toMatchObject({ code: 'guard-off' });
  expect(await segmentsOf(stack)).toEqual(segments);
  expect((await snapshottedInstances(stack.dataDir)).size).toBe(0);
});

it('is refused if it would make so many snapshots that the server is busy for long', async () => {
  const stack = await oddSource({ serverEnv: { RSTMDB_FSYNC_POLICY: 'never' } });
  await writeCounters(stack.address, { count: 4_300 });
  await createGuard(openDatabase(stack, DATABASE)).look();
  const message = expect.stringContaining('4,300 snapshots') as string;
  await expect(backUp(stack, { compact: true })).rejects.toMatchObject({ code: 'compaction-too-costly', message });
  expect((await snapshottedInstances(stack.dataDir)).size).toBe(0);
});
