/** The host is gone, and its last moments are in the archive alone. */
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { PointInTimeRecoveryResult } from '../../src/contract/point-in-time-recovery.ts';
import type { StreamPiece } from '../../src/core/repository/stream-piece.ts';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { DATABASE } from '../support/database-stack.ts';
import { archiveLog } from '../support/archive-log.ts';
import { archivedSource, compactedSource, endsOf, writeLarge } from '../support/archived-source.ts';
import { startArchive } from '../support/direct-archive.ts';
import {
  backUp,
  directDeps,
  explainPoint,
  recoverElsewhere,
  recoverInPlace,
  restoreInPlace,
  undoInPlace,
} from '../support/direct-backup.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../support/load-writers.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, writeOrders } from '../support/odd-source.ts';
import { openScene } from '../support/scene.ts';
import { makeStandbyHost } from '../support/standby-host.ts';
import { waitUntil } from '../support/wait-until.ts';

const QUICK = { intervalMs: 100, tidyMs: 400, keptMs: 0 };

/** What was acknowledged before that time, and isn't in a log that ends there. */
function missing(acknowledged: readonly AcknowledgedWrite[], { sinceMs, end }: { sinceMs: number; end: string }): number {
  return acknowledged.filter(({ acknowledgedAtMs, offset }) => acknowledgedAtMs < sinceMs && offset >= BigInt(end)).length;
}

it('recovers to the last archived record, over segments, elsewhere and in place, and goes on in the new history', async () => {
  const { stack, store, look } = await archivedSource();
  const looks: StreamPiece[] = [];
  for (const id of ['large-1', 'large-2', 'large-3', 'large-4', 'large-5']) {
    await writeLarge(stack, id);
    looks.push(...(await look()));
  }
  expect(new Set(looks.map(({ segment }) => segment)).size).toBeGreaterThan(1);
  const archived = await sourceDigest(stack);
  await writeOrders(stack.address, 2, 'not-archived');
  const dataDir = join(await scratchFolder(), 'recovered');
  const elsewhere = await recoverElsewhere(stack, { target: { latest: true } }, dataDir);
  expect(elsewhere).toMatchObject({ stateDigest: archived, instances: 8, fromTimeline: '0001' });
  expect(elsewhere.point).toMatchObject({ sinceMs: looks.at(-1)!.sinceMs, untilMs: looks.at(-1)!.seenMs });
  expect(await expectSound(stack, dataDir)).toBe(archived);

  await recoverInPlace(stack, { latest: true });
  expect(await sourceDigest(stack)).toBe(archived);
  // The new history has no backup yet, and is archived from its fork on.
  const lookOn = archiveLog(store, { timeline: '0002', walDir: stack.walDir, from: await endsOf(stack) });
  await writeLarge(stack, 'large-6');
  await lookOn();
  const goneOn = await sourceDigest(stack);
  expect(await explainPoint(stack, { target: { latest: true } })).toMatchObject({ stateDigest: goneOn, fromTimeline: '0002' });
  // What the restore replaced has not been forgotten.
  expect(await explainPoint(stack, { target: { latest: true }, timeline: '0001' })).toMatchObject({ instances: 10 });
});

it('keeps of the data that a restore replaces what only the archive has, for an undo', async () => {
  const { stack, before } = await compactedSource();
  const { savedAs, stateDigest } = await restoreInPlace(stack, 'latest');
  expect(await sourceDigest(stack)).toBe(stateDigest);
  const { backups } = await directDeps(stack).openStore(DATABASE);
  expect(await backups.read(savedAs!)).toMatchObject({ kind: 'tail', restorable: 'from-log', stateDigest: before });
  await undoInPlace(stack);
  expect(await sourceDigest(stack)).toBe(before);
});

it('has every record that was acknowledged before the archive’s last look, and at a time what had been by then', async () => {
  const stack = await oddSource({ segmentSizeMb: 1, database: { archive: QUICK } });
  await writeOrders(stack.address, 3);
  await backUp(stack);
  const archive = await startArchive(stack);
  const writers = await startLoadWriters({ address: stack.address, writers: 8 });
  await writers.acknowledgedAtLeast(4_000);
  // The host ends in the midst of all: what the archive is at, and what clients write.
  await archive.stop();
  const { acknowledged } = await writers.stop();
  await stack.service.stop();
  await rename(stack.dataDir, `${stack.dataDir}-lost`);
  const missingOf = ({ point }: PointInTimeRecoveryResult): number => missing(acknowledged, { ...point!, sinceMs: point!.sinceMs! });
  const dataDir = join(await scratchFolder(), 'latest');
  const latest = await recoverElsewhere(stack, { target: { latest: true } }, dataDir);
  expect(missingOf(latest)).toBe(0);
  expect(latest.records).toBeGreaterThan(2_000);
  expect(await expectSound(stack, dataDir)).toBe(latest.stateDigest);
  const atMs = acknowledged[1_500]!.acknowledgedAtMs;
  const earlier = await recoverElsewhere(stack, { target: { time: new Date(atMs).toISOString() } }, join(await scratchFolder(), 'earlier'));
  expect(missingOf(earlier)).toBe(0);
  const { sinceMs, untilMs } = earlier.point!;
  expect(untilMs).toBeLessThanOrEqual(atMs);
  expect(atMs - sinceMs!).toBeLessThan(5_000);
  expect(earlier.records).toBeLessThan(latest.records!);
});

it('recovers a burnt host up to the archive’s last look, and says since when something may be lost', async () => {
  const context = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  const scene = await openScene(context, { segmentSizeMb: 1, database: { archive: QUICK } });
  const host = await makeStandbyHost(scene.stack);
  try {
    const backup = await scene.temporal.execute<{ label: string; records: number }>('hotBackup', { database: DATABASE });
    const writers = await startLoadWriters({ address: scene.stack.address, writers: 8 });
    await writers.acknowledgedAtLeast(3_000);
    const repository = await scene.stack.openRepository();
    const hasStream = async (): Promise<boolean> => {
      for await (const _key of repository.keys(`databases/${DATABASE}/stream/`)) return true;
      return false;
    };
    await waitUntil('the archive has something', hasStream);
    await scene.agent.kill('SIGKILL');
    await scene.stack.service.stop();
    const { acknowledged } = await writers.stop();
    await rm(scene.stack.dataDir, { recursive: true });
    await scene.startAgent(host.configFile);
    const result = await scene.temporal.execute<DisasterRecoveryResult>('disasterRecovery', { database: DATABASE });
    expect(result).toMatchObject({ outcome: 'done', label: backup.label, agent: 'db2', timeline: '0002', skipped: [] });
    expect(result.records).toBeGreaterThan(backup.records);
    expect(result.lost).toMatchObject({ knownRecords: 0, sinceMs: result.archivedUntilMs });
    expect(missing(acknowledged, { sinceMs: result.archivedUntilMs!, end: result.extents!.end })).toBe(0);
    const live = await liveDigest(host.settings, host.config.timing, new AbortController().signal);
    expect(live.stateDigest).toBe(result.stateDigest);
  } finally {
    await host.remove();
    await scene.close();
  }
});
