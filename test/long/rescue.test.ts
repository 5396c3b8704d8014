import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeWalOffset, walOffsetText } from '../../src/core/wal/wal-offset.ts';
import { compact } from '../../src/io/rstmdb/server.ts';
import { pinWal } from '../../src/activities/backup/prepare-backup.ts';
import { rescueLog } from '../../src/activities/backup/rescue-log.ts';
import { storeSegments } from '../../src/activities/backup/store-segments.ts';
import type { RunPort } from '../../src/activities/run-port.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { readTimelineFile } from '../../src/io/data-directory/rstow-folder.ts';
import { createCatchUp } from '../../src/worker/watch/catch-up.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { openDatabase } from '../../src/database/database.ts';
import { DATABASE } from '../support/database-stack.ts';
import { SEGMENT_ORDERS, writeFat } from '../support/aged-log.ts';
import { startArchive } from '../support/direct-archive.ts';
import {
  backUp,
  directDeps,
  explainPoint,
  newRun,
  rebaseInPlace,
  recoverElsewhere,
  restoreElsewhere,
  restoreInPlace,
  verifyByReplay,
} from '../support/direct-backup.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { codesOf, create, expectRestorable, loseSegments, pay, segmentNames } from '../support/lost-log.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, withClient, writeOrders } from '../support/odd-source.ts';

it('brings a server back whose own compaction has deleted three segments, after its data directory is lost', async () => {
  const compaction = { RSTMDB_COMPACT_ENABLED: 'true' };
  const stack = await oddSource({ segmentSizeMb: 1, serverEnv: compaction });
  const { address } = stack;
  // The machine and each order's creation stand in the first three, and each order's last change behind them.
  await writeFat(address, 3 * SEGMENT_ORDERS - 1, 'a');
  for (const id of ['a-first-0', ...Array.from({ length: 3 * SEGMENT_ORDERS - 1 }, (_, serial) => `a-${serial}`)]) await pay(stack, id);
  await withClient(address, (client) => compact(client, { forceSnapshot: true, timeoutMs: 60_000 }));
  const [first = ''] = await segmentNames(stack.walDir);
  expect(Number.parseInt(first, 16)).toBeGreaterThan(3);
  const live = await sourceDigest(stack);
  const manifest = await backUp(stack);
  expect(codesOf(manifest)).toEqual(['compaction-on', 'log-rescued']);
  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  await mkdir(stack.dataDir);
  const restored = await restoreInPlace(stack, manifest.label);
  expect(restored).toMatchObject({ stateDigest: live, replaces: null });
  for (const time of ['first', 'second', 'third']) {
    expect(await sourceDigest(stack), time).toBe(live);
    await stack.service.stop();
    await stack.startServer();
  }
});

it('begins a log anew that lacks segments in its middle, once, though the earlier ones still lie there', async () => {
  const stack = await oddSource({ segmentSizeMb: 1, database: { archive: { enabled: true, intervalMs: 100, tidyMs: 300 } } });
  await writeFat(stack.address, 6 * SEGMENT_ORDERS, 'a');
  const names = await segmentNames(stack.walDir);
  await rm(join(stack.walDir, names[2]!));
  await rm(join(stack.walDir, names[3]!));
  const rescued = await backUp(stack);
  expect(rescued).toMatchObject({ restorable: 'from-baseline', stateDigest: await sourceDigest(stack) });
  const archive = await startArchive(stack);
  await writeOrders(stack.address, 5, 'later');
  await archive.looked();
  await archive.stop();
  const next = await backUp(stack);
  expect(next).toMatchObject({ timeline: rescued.timeline, restorable: 'from-baseline', stateDigest: await sourceDigest(stack) });
  expect(codesOf(next)).not.toContain('log-rescued');
  const copy = join(await scratchFolder(), 'copy');
  await restoreElsewhere(stack, next.label, copy);
  expect(await expectSound(stack, copy)).toBe(next.stateDigest);
  const latest = await recoverElsewhere(stack, { target: { latest: true } }, join(await scratchFolder(), 'latest'));
  expect(latest.stateDigest).toBe(next.stateDigest);
  const rebased = await rebaseInPlace(stack);
  expect(rebased).toMatchObject({ stateDigest: next.stateDigest, rehearsal: 'passed' });
  await stack.service.stop();
  await stack.startServer();
  expect(await sourceDigest(stack)).toBe(next.stateDigest);
});

it('reads a server that is written to meanwhile, and loses nothing of what it acknowledged', async () => {
  const stack = await oddSource({ segmentSizeMb: 1 });
  await writeOrders(stack.address, 1500, 'early');
  const load = await startLoadWriters({ address: stack.address, writers: 8 });
  await load.acknowledgedAtLeast(4000);
  await loseSegments(stack, 1);
  const during = await backUp(stack);
  const { acknowledged } = await load.stop();
  expect(during.restorable).toBe('from-baseline');
  const copy = join(await scratchFolder(), 'copy');
  await restoreElsewhere(stack, during.label, copy);
  expect(await expectSound(stack, copy)).toBe(during.stateDigest);
  expect(acknowledged.length).toBeGreaterThan(4000);
  await expectRestorable(stack, await backUp(stack));
});

it('recovers points from the end of the reading on, and names the timeline that has the earlier ones', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 4, 'early');
  const whole = await backUp(stack);
  await create(stack, 'between', 1);
  await create(stack, 'late', 1);
  await loseSegments(stack, whole.segments.at(-1)!.segment + 1);
  const rescued = await backUp(stack);
  expect(codesOf(rescued)).toEqual(['log-rescued']);
  const state = rescued.stateDigest;
  await pay(stack, 'late');
  await pay(stack, 'between');
  await backUp(stack);
  const copy = join(await scratchFolder(), 'copy');
  expect((await recoverElsewhere(stack, { target: { before: { instance: 'late', event: 'PAY' } } }, copy)).stateDigest).toBe(state);
  expect(await expectSound(stack, copy)).toBe(state);
  const refused = { code: 'point-not-found', message: expect.stringMatching(/first point.*on timeline 0001/) as string };
  const offset = walOffsetText(makeWalOffset(rescued.segments[1]!.segment, 0));
  await expect(explainPoint(stack, { target: { offset } })).rejects.toMatchObject(refused);
  await expect(explainPoint(stack, { target: { before: { instance: 'late', record: 'create' } } })).rejects.toMatchObject(refused);
  const earlier = await explainPoint(stack, { target: { before: { instance: 'early-3', record: 'create' } }, timeline: '0001' });
  expect(earlier.stateDigest).toMatch(/^[0-9a-f]{64}$/);
});

it('is followed by the archive, which lets go of the history that was left', async () => {
  const stack = await oddSource({ segmentSizeMb: 0, database: { archive: { intervalMs: 50 } } });
  await writeOrders(stack.address, 4, 'early');
  await loseSegments(stack, (await segmentNames(stack.walDir)).length - 2);
  const archive = await startArchive(stack);
  await archive.looked();
  await backUp(stack);
  expect(await archive.ended).toMatchObject({ timeline: '0001' });
  const next = await startArchive(stack);
  try {
    await create(stack, 'late', 1);
    await next.looked();
  } finally {
    await next.stop();
  }
  await expectRestorable(stack, await backUp(stack));
});

it('takes what only the archive has of segments that are gone, and reads nothing of the server', async () => {
  const stack = await oddSource({ segmentSizeMb: 1, database: { archive: { intervalMs: 50, tidyMs: 3_600_000 } } });
  await writeFat(stack.address, 3 * SEGMENT_ORDERS, 'a');
  const archive = await startArchive(stack);
  await archive.looked();
  await archive.stop();
  await loseSegments(stack, (await segmentNames(stack.walDir)).length - 1);
  expect(await backUp(stack)).toMatchObject({
    restorable: 'from-log',
    timeline: '0001',
    stateDigest: await sourceDigest(stack),
    warnings: [],
  });
});

it('is not done where the restart guard has what is gone: it is linked back before the log is read', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 4, 'early');
  await createGuard(openDatabase(stack, DATABASE)).look();
  const names = await segmentNames(stack.walDir);
  await loseSegments(stack, names.length - 2);
  expect(await backUp(stack)).toMatchObject({
    restorable: 'from-log',
    timeline: '0001',
    stateDigest: await sourceDigest(stack),
    warnings: [],
  });
  expect(await segmentNames(stack.walDir)).toEqual(names);
});

it('takes from another repository what is gone, and the baseline that a rescue has stored there', async () => {
  const stack = await oddSource({ segmentSizeMb: 1, hasCopy: true });
  await mkdir(stack.copyDir);
  await writeFat(stack.address, 3 * SEGMENT_ORDERS, 'a');
  await backUp(stack);
  const catchUp = createCatchUp(directDeps(stack));
  await catchUp(DATABASE);
  await loseSegments(stack, 2);
  const whole = await backUp(stack, { repository: 'copy' });
  expect(whole).toMatchObject({ restorable: 'from-log', timeline: '0001', warnings: [] });
  await verifyByReplay(stack, whole, 'copy');
  await rm(join(stack.repositoryDir, 'databases', DATABASE, 'wal'), { recursive: true });
  await rm(join(stack.copyDir, 'databases', DATABASE, 'wal'), { recursive: true });
  expect(codesOf(await backUp(stack))).toContain('log-rescued');
  await catchUp(DATABASE);
  const second = await backUp(stack, { repository: 'copy' });
  expect(second).toMatchObject({ restorable: 'from-baseline', timeline: '0002', stateDigest: await sourceDigest(stack) });
  await verifyByReplay(stack, second, 'copy');
});

it('goes on where an attempt has died, with the same baseline, and another run begins one of its own', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 4, 'early');
  await backUp(stack);
  await writeOrders(stack.address, 4, 'late');
  await rm(join(stack.repositoryDir, 'databases', DATABASE, 'wal'), { recursive: true });
  await loseSegments(stack, 3);
  const deps = directDeps(stack);
  const store = await deps.openStore(DATABASE);
  const common = { database: DATABASE, repository: 'local', timeline: '0001' };
  const begin = async (run: RunPort): Promise<() => Promise<string | undefined>> => {
    const { fenceKey } = await pinWal(deps)(common, run);
    const { extentsKey } = await storeSegments(deps)({ ...common, fenceKey }, run);
    return async () => (await rescueLog(deps)({ ...common, extentsKey, label: 'a-label' }, run))?.timeline;
  };
  // Each dies once when the baseline is stored, before the data directory says so; the first is never tried again.
  for (const timeline of ['0002', '0003']) {
    let deaths = 1;
    const checkOpen = async (): Promise<void> => {
      deaths -= 1;
      if (deaths >= 0) throw new RstowError('cancelled', 'the agent has died');
    };
    const rescue = await begin({ ...newRun(), checkOpen });
    await expect(rescue()).rejects.toMatchObject({ code: 'cancelled' });
    expect(await readTimelineFile(stack.walDir)).toMatchObject({ timeline: '0001' });
    await create(stack, `meanwhile-${timeline}`, 1);
    if (timeline === '0002') continue;
    store.pieces.relist();
    const stored = await store.pieces.of(timeline);
    for (let time = 0; time < 2; time += 1) expect(await rescue()).toBe(timeline);
    store.pieces.relist();
    expect(await store.pieces.of(timeline)).toEqual(stored);
    expect(await readTimelineFile(stack.walDir)).toMatchObject({ timeline });
  }
  await expectRestorable(stack, await backUp(stack));
});
