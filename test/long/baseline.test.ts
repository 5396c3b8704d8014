import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { chooseBaseline } from '../../src/activities/restore/choose-baseline.ts';
import { planRestore } from '../../src/activities/restore/plan-restore.ts';
import { findInstance } from '../../src/activities/instance/find-instance.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import { makeWalOffset, parseSegmentIdText, type SegmentId, segmentFileName, walOffsetText } from '../../src/core/wal/wal-offset.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { applyEvent, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import { agedLog, agedSource, HISTORY_DAYS, longAfter, pay, SEGMENT_ORDERS, writeFat } from '../support/aged-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import {
  backUp,
  directDeps,
  explainPoint,
  extentsOf,
  newRun,
  recoverElsewhere,
  recoverInPlace,
  restoreElsewhere,
  restoreInPlace,
  undoInPlace,
  verifyByReplay,
} from '../support/direct-backup.ts';
import { expectSound, scratchFolder, sourceDigest, withClient, writeOrders } from '../support/odd-source.ts';

const lastSegment = ({ segments }: Manifest): SegmentId => segments.at(-1)!.segment;

/** The file names of a log, sorted. */
const filesIn = async (walDir: string): Promise<string[]> => (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();

/** The restored log begins with the baseline, and goes on byte for byte. */
async function expectBaseline(stack: DatabaseStack, restored: RestoreResult, kept: Manifest): Promise<SegmentId> {
  const segment = parseSegmentIdText(restored.baseline!.segment)!;
  const expected = Object.keys(extentsOf(kept)).filter((name) => name >= segmentFileName(segment));
  expect(await filesIn(stack.walDir)).toEqual(expected);
  expect((await stat(join(stack.walDir, expected[0]!))).size).toBe(restored.baseline!.sizeBytes);
  for (const name of expected.slice(1)) {
    const now = await readFile(join(stack.walDir, name));
    expect(now.equals(await readFile(join(restored.replacedAt!, 'wal', name)).then((all) => all.subarray(0, now.length))), name).toBe(true);
  }
  return segment;
}

async function restart(stack: DatabaseStack): Promise<string> {
  await stack.service.stop();
  await stack.startServer();
  return sourceDigest(stack);
}

it('lets a server replay no more than the config wants, with the same state, and goes on from there: backups, points, a second time', async () => {
  const stack = await agedSource();
  const { address } = stack;
  const { old, aged } = await agedLog(stack);
  await writeOrders(address, 2, 'unwanted');
  const restored = await restoreInPlace(stack, aged.label);
  const baseline = await expectBaseline(stack, restored, aged);
  expect(baseline).toBe(lastSegment(old) - 1);
  const replaced = Object.entries(extentsOf(aged)).filter(([name]) => name <= segmentFileName(baseline));
  expect(restored.baseline).toMatchObject({
    replacedBytes: replaced.reduce((sum, [, endBytes]) => sum + endBytes, 0),
    writtenBeforeMs: old.writtenAtMs,
  });
  expect(await sourceDigest(stack)).toBe(aged.stateDigest);
  await writeOrders(address, 2, 'after');
  await pay(address, 'a-6');
  const written = await sourceDigest(stack);
  for (const time of ['first', 'second']) expect(await restart(stack), time).toBe(written);
  await withClient(address, async (client) => {
    const forgotten = deleteInstance(client, 'gone');
    await expect(forgotten).rejects.toMatchObject({ message: expect.stringContaining('INSTANCE_NOT_FOUND') as string });
    const outdated = { instanceId: 'a-7', event: 'PAY', payloadText: '{}', expectedOffset: makeWalOffset(1 as SegmentId, 24) };
    await expect(applyEvent(client, outdated)).rejects.toMatchObject({ message: expect.stringContaining('CONFLICT') as string });
  });
  expect(await sourceDigest(stack)).toBe(written);

  // A backup of it stores the baseline, and nothing again that stands behind it.
  const after = await backUp(stack);
  expect(after).toMatchObject({ restorable: 'from-baseline', timeline: '0002', stateDigest: written, warnings: [] });
  const timelinesOf = (name: string): string[] =>
    after.segments
      .filter(({ segment }) => segmentFileName(segment) === name)
      .flatMap(({ ranges }) => ranges.map((range) => range.timeline));
  expect(timelinesOf(segmentFileName(baseline))).toEqual(['0002']);
  expect(timelinesOf(segmentFileName((baseline + 1) as SegmentId))).toEqual(['0001']);
  await verifyByReplay(stack, after);
  const copy = join(await scratchFolder(), 'copy');
  await restoreElsewhere(stack, after.label, copy);
  expect(await expectSound(stack, copy)).toBe(written);

  // A later restore moves the baseline.
  await writeFat(address, 3 * SEGMENT_ORDERS, 'c');
  const later = await backUp(stack);
  await writeFat(address, SEGMENT_ORDERS, 'd');
  const latest = await backUp(stack, { startedAtMs: longAfter(later) });
  const second = await restoreInPlace(stack, latest.label);
  expect(await expectBaseline(stack, second, latest)).toBe(lastSegment(later) - 1);
  expect(await sourceDigest(stack)).toBe(latest.stateDigest);

  // And one that moves nothing hands it on.
  const third = await backUp(stack);
  expect(third).toMatchObject({ restorable: 'from-baseline', timeline: '0003' });
  expect((await restoreInPlace(stack, third.label)).baseline).toBe(undefined);
  expect(await filesIn(stack.walDir)).toEqual(Object.keys(extentsOf(third)));
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-baseline', timeline: '0004', stateDigest: latest.stateDigest });
  await verifyByReplay(stack, aged);
  await verifyByReplay(stack, after);
});

it('finds every point behind the baseline, and names the timeline that has the earlier ones', async () => {
  const stack = await agedSource();
  const { address } = stack;
  const { old, aged } = await agedLog(stack);
  const restored = await restoreInPlace(stack, aged.label);
  const baseline = parseSegmentIdText(restored.baseline!.segment)!;
  const recovered = async (point: Parameters<typeof recoverElsewhere>[1]): Promise<string> => {
    const dataDir = join(await scratchFolder(), 'recovered');
    const { stateDigest } = await recoverElsewhere(stack, point, dataDir);
    expect(await expectSound(stack, dataDir)).toBe(stateDigest);
    return stateDigest!;
  };
  // Without a backup of its own the new history has its parent's points, all of them.
  expect(await recovered({ target: { time: new Date(old.writtenAtMs).toISOString() } })).toBe(old.stateDigest);
  await pay(address, 'b-3');
  await backUp(stack);
  const offset = walOffsetText(makeWalOffset(baseline, 24));
  const refused = { code: 'point-not-found', message: expect.stringContaining('on timeline 0001') as string };
  await expect(explainPoint(stack, { target: { offset } })).rejects.toMatchObject(refused);
  await expect(explainPoint(stack, { target: { before: { instance: 'a-7', record: 'create' } } })).rejects.toMatchObject(refused);
  await expect(explainPoint(stack, { target: { sequence: 3 } })).rejects.toMatchObject(refused);

  const before = { target: { before: { instance: 'b-3', event: 'PAY' } } } as const;
  expect(await recovered(before)).toBe(aged.stateDigest);
  const explained = await explainPoint(stack, before);
  expect(explained.explanation).toMatchObject({
    nextRecord: { instance: 'b-3' },
    difference: { instancesCreated: { count: 0 }, instancesChanged: { count: 1, first: ['b-3'] }, instancesDeleted: { count: 0 } },
  });
  // The first point behind it is the state that it holds, and so it is on the parent's timeline.
  const first = walOffsetText(makeWalOffset((baseline + 1) as SegmentId, 0));
  const atBaseline = await recovered({ target: { offset: first } });
  expect(atBaseline).toBe(await recovered({ target: { offset: first }, timeline: '0001' }));
  const { point, explanation, stateDigest } = await explainPoint(stack, { target: { offset: first } });
  expect(explanation?.lastRecords).toEqual([]);
  expect(await explainPoint(stack, { target: { offset: point!.end } })).toMatchObject({ stateDigest });
  // What is only to be had there is still there.
  await recovered({ target: { before: { instance: 'a-7', record: 'create' } }, timeline: '0001' });
  expect(await recovered({ target: { time: new Date(old.writtenAtMs).toISOString() } })).toBe(old.stateDigest);
  const store = await directDeps(stack).openStore(DATABASE, undefined);
  const caller = { signal: new AbortController().signal, report: () => undefined };
  expect(await findInstance(store, { instance: 'a-4', target: { latest: true } }, caller)).toMatchObject({ state: 'paid' });
});

it('begins with a baseline at a recovered point too, and an undo puts back all that there was', async () => {
  const stack = await agedSource();
  const { address } = stack;
  const { old, aged } = await agedLog(stack);
  await pay(address, 'b-3');
  await writeFat(address, SEGMENT_ORDERS, 'c');
  const whole = await backUp(stack);
  const before = await filesIn(stack.walDir);
  const recovered = await recoverInPlace(stack, { before: { instance: 'b-3', event: 'PAY' } });
  expect(recovered).toMatchObject({ rehearsal: 'passed', stateDigest: aged.stateDigest, baseline: { writtenBeforeMs: old.writtenAtMs } });
  expect((await filesIn(stack.walDir))[0]).toBe(segmentFileName((lastSegment(old) - 1) as SegmentId));
  expect(await sourceDigest(stack)).toBe(aged.stateDigest);
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-baseline', stateDigest: aged.stateDigest });
  const undone = await undoInPlace(stack);
  expect(undone.baseline).toBe(undefined);
  expect(await filesIn(stack.walDir)).toEqual(before);
  expect(await sourceDigest(stack)).toBe(whole.stateDigest);
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-log', stateDigest: whole.stateDigest });
});

it('is known for what it is in a new repository too', async () => {
  const stack = await agedSource();
  const { aged } = await agedLog(stack);
  await restoreInPlace(stack, aged.label);
  // As the page of recoveries says it.
  await rm(stack.repositoryDir, { recursive: true });
  await mkdir(stack.repositoryDir);
  for (const name of ['repositories/local', `${DATABASE}/seen-owner.json`])
    await rm(join(stack.config.agent.stateDir, name), { force: true });
  await rm(join(stack.walDir, 'rstow-timeline.json'));
  const first = await backUp(stack);
  expect(first).toMatchObject({ restorable: 'from-baseline', timeline: '0001', stateDigest: aged.stateDigest });
  const copy = join(await scratchFolder(), 'copy');
  await restoreElsewhere(stack, first.label, copy);
  expect(await expectSound(stack, copy)).toBe(aged.stateDigest);
  await expect(explainPoint(stack, { target: { sequence: 1 } })).rejects.toMatchObject({
    code: 'point-not-found',
    message: expect.stringContaining('look in an earlier repository') as string,
  });
});

it('says in a dry run what it would do, and nothing where the config keeps all history or none is old enough', async () => {
  const stack = await agedSource();
  const { aged } = await agedLog(stack);
  const plan = (backup: string, of = stack): ReturnType<ReturnType<typeof planRestore>> =>
    planRestore(directDeps(of))({ database: DATABASE, backup, dryRun: true }, newRun());
  const { baseline } = await plan(aged.label);
  expect(baseline).toMatchObject({ segment: expect.stringMatching(/^[0-9a-f]{16}$/) as string });
  expect(baseline!.sizeBytes).toBe(undefined);
  const settings = { ...stack.settings, restore: {} };
  const keeping = { ...stack, settings, config: { ...stack.config, databases: { [DATABASE]: settings } } };
  expect((await plan(aged.label, keeping)).baseline).toBe(undefined);
  expect((await plan((await backUp(stack)).label)).baseline).toBe(undefined);
  const elsewhere = { database: DATABASE, backup: aged.label, toDataDir: join(await scratchFolder(), 'copy'), dryRun: true };
  expect((await planRestore(directDeps(stack))(elsewhere, newRun())).baseline).toBe(undefined);
});

it('keeps a segment that has grown since the old backup, though a later one is as it was', async () => {
  const stack = await agedSource();
  const { old, aged } = await agedLog(stack);
  const store = await directDeps(stack).openStore(DATABASE, undefined);
  const segments = await store.pieces.plan(aged);
  const endBytes = segments.at(-1)!.endBytes;
  const chosen = (grown: SegmentId): ReturnType<typeof chooseBaseline> => {
    const log = segments.map((planned) => (planned.segment === grown ? { ...planned, endBytes: planned.endBytes + 1 } : planned));
    return chooseBaseline(store, { manifest: aged, timeline: aged.timeline, segments: log, endBytes, historyDays: HISTORY_DAYS });
  };
  expect(await chosen(lastSegment(old))).toMatchObject({ segment: lastSegment(old) - 1 });
  expect(await chosen(3 as SegmentId)).toMatchObject({ segment: 2 });
  expect(await chosen(2 as SegmentId)).toBe(undefined);
});
