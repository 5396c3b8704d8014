import { expect, inject, it, onTestFinished } from 'vitest';
import { liveThrough } from '../support/archive-day.ts';
import { loadArchive } from '../support/archive-load.ts';
import { openArchivedHost } from '../support/archived-host.ts';
import { backUp, verifyByReplay } from '../support/direct-backup.ts';
import { oddSource, writeOrders } from '../support/odd-source.ts';

it('is never more than a second and a half behind writers at full speed, though compaction deletes what is old', async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  const host = await openArchivedHost(shared, { segmentSizeMb: 1 });
  onTestFinished(() => host.close());
  const { lag, segmentsDeleted, idleRssMb, peakRssMb } = await loadArchive(host, { seconds: 60, idleSeconds: 5 });
  expect(lag.missing).toBe(0);
  expect(lag.p99Ms).toBeLessThanOrEqual(1_500);
  expect(segmentsDeleted).toBeGreaterThan(0);
  expect(peakRssMb - idleRssMb).toBeLessThanOrEqual(150);
});

it('keeps no more objects after a quarter of an hour than after its first minutes, and the log is whole', async () => {
  const keptMs = 60_000;
  const stack = await oddSource({ database: { archive: { keptMs } } });
  await writeOrders(stack.address, 1, 'before');
  const seconds = 900;
  const { most, segments } = await liveThrough(stack, { seconds, recordBytes: 4_000, segmentBytes: 1024 * 1024, tidySeconds: 10 });
  expect(segments).toBeGreaterThan(3);
  expect(most.stream).toBeLessThan((keptMs / 1_000) * 1.5);
  expect(most.times).toBeLessThan(segments + 20);
  expect(most.wal).toBeLessThan(2 * segments + 80);
  expect(most.pins).toBeLessThan(5);
  await stack.startServer();
  const manifest = await backUp(stack);
  expect(manifest).toMatchObject({ restorable: 'from-log', instances: seconds + 1 });
  await verifyByReplay(stack, manifest);
});
