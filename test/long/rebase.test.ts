import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { type SegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { LIST_PAGE_INSTANCES_MAX, listInstances } from '../../src/io/rstmdb/instances.ts';
import { SEGMENT_ORDERS, pay, writeFat } from '../support/aged-log.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import { backUp, explainPoint, rebaseInPlace, restoreElsewhere, undoInPlace, verifyByReplay } from '../support/direct-backup.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../support/load-writers.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, withClient, writeOrders } from '../support/odd-source.ts';

const filesIn = async (walDir: string): Promise<string[]> => (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();

async function logBytes(walDir: string): Promise<number> {
  const sizes = await Promise.all((await filesIn(walDir)).map(async (name) => (await stat(join(walDir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

const STATES = ['created', 'paid', 'shipped', 'delivered'];
const stateAfter = ({ event }: Record<string, unknown>): number => ['PAY', 'SHIP', 'DELIVER'].indexOf(event as string) + 1;

/** What the server does not show of the writes that it acknowledged. A write that was not answered may be there too. */
async function lostWrites(stack: DatabaseStack, acknowledged: readonly AcknowledgedWrite[]): Promise<string[]> {
  const reached = new Map<string, number>();
  const page = { limit: LIST_PAGE_INSTANCES_MAX, offset: 0 };
  const { instances } = await withClient(stack.address, (client) => listInstances(client, page));
  for (const { id, state } of instances) reached.set(id, STATES.indexOf(state));
  return acknowledged
    .filter(({ instanceId, written }) => (reached.get(instanceId) ?? -1) < stateAfter(written))
    .map(({ instanceId, written }) => `${instanceId} ${stateAfter(written)}`);
}

/** The server is stopped and started twice, and shows the same. */
async function expectRestartSafe(stack: DatabaseStack, digest: string): Promise<void> {
  for (const time of ['first', 'second']) {
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack), time).toBe(digest);
  }
}

it('shortens a log that has outgrown its state, and carries over what clients write until the server stops', async () => {
  const stack = await oddSource({ segmentSizeMb: 1 });
  await writeFat(stack.address, 2, 'a');
  // Each event holds the whole context: many of them make the log large, and not the state.
  for (let round = 0; round < 20; round += 1) {
    await writeFat(stack.address, 2, `b${round}`);
    await withClient(stack.address, async (client) => {
      for (const id of [`b${round}-0`, `b${round}-1`]) await client.request('DELETE_INSTANCE', JSON.stringify({ instance_id: id }));
    });
  }
  const before = await logBytes(stack.walDir);
  const beforeStop = async (): Promise<void> => {
    await writeFat(stack.address, 2 * SEGMENT_ORDERS, 'late');
    await pay(stack.address, 'a-0');
  };
  const rebased = await rebaseInPlace(stack, { beforeStop });
  expect(rebased).toMatchObject({ rehearsal: 'passed', warnings: [{ code: 'no-backup-yet' }], timeline: '0002', lacking: 0 });
  expect(rebased.note).toContain('CONFLICT once');
  const { log } = rebased;
  expect(log!.before.sizeBytes).toBe(before);
  expect(log!.after.sizeBytes).toBeLessThan(before / 2);
  const carried = (await logBytes(join(rebased.replacedAt!, 'wal'))) - before;
  expect(carried).toBeGreaterThan(2_000_000);
  expect(await logBytes(stack.walDir)).toBe(log!.after.sizeBytes + carried);
  const digest = await sourceDigest(stack);
  const last = await backUp(stack);
  expect(last).toMatchObject({ restorable: 'from-baseline', timeline: '0002', stateDigest: digest, warnings: [] });
  const replaced = join(await scratchFolder(), 'replaced');
  await restoreElsewhere(stack, rebased.savedAs!, replaced);
  expect(await expectSound(stack, replaced)).toBe(digest);
  await verifyByReplay(stack, last);
  await expectRestartSafe(stack, digest);

  // Nothing is left to be shortened but what was written since.
  await writeOrders(stack.address, 1, 'again');
  const live = await sourceDigest(stack);
  const undone = await undoInPlace(stack);
  expect(undone).toMatchObject({ stateDigest: digest });
  expect(await sourceDigest(stack)).toBe(digest);
  expect(await sourceDigest(stack)).not.toBe(live);
  expect((await filesIn(stack.walDir))[0]).toBe(segmentFileName(1 as SegmentId));
});

it('loses nothing that is acknowledged to writers at full speed', async () => {
  const stack = await oddSource({ segmentSizeMb: 1 });
  const load = await startLoadWriters({ address: stack.address, writers: 8 });
  await load.acknowledgedAtLeast(6000);
  const rebased = await rebaseInPlace(stack);
  await load.acknowledgedAtLeast(load.result.acknowledged.length + 500);
  const { acknowledged } = await load.stop();
  expect(rebased.warnings.map(({ code }) => code)).not.toContain('digest-different');
  const last = await backUp(stack);
  expect(last).toMatchObject({ restorable: 'from-baseline', stateDigest: await sourceDigest(stack) });
  expect(await lostWrites(stack, acknowledged)).toEqual([]);
  await expectRestartSafe(stack, last.stateDigest);
});

it('makes a server restart-safe that has lost its first segments, without losing what only it knows', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 6, 'early');
  const lost = (await filesIn(stack.walDir)).length;
  await writeOrders(stack.address, 3, 'late');
  for (const name of await filesIn(stack.walDir)) if (name <= segmentFileName(lost as SegmentId)) await rm(join(stack.walDir, name));
  const live = await sourceDigest(stack);
  const rebased = await rebaseInPlace(stack, { beforeStop: () => pay(stack.address, 'early-0') });
  expect(rebased.warnings.map(({ code }) => code)).toEqual(['log-rescued', 'no-backup-yet']);
  expect(rebased).toMatchObject({ lacking: 1, stateDigest: live, instances: 9 });
  const digest = await sourceDigest(stack);
  await expectRestartSafe(stack, digest);
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-baseline', stateDigest: digest, timeline: '0003', instances: 9 });
  // Its points begin where the server was read.
  const refused = { code: 'point-not-found' };
  await expect(explainPoint(stack, { target: { before: { instance: 'late-0', record: 'create' } } })).rejects.toMatchObject(refused);
  expect(await explainPoint(stack, { target: { before: { instance: 'early-0', event: 'PAY' } } })).toMatchObject({ stateDigest: live });
  expect((await rebaseInPlace(stack, { dryRun: true })).outcome).not.toBe('not-needed');
});

it('is not needed where nothing stands before the last segment', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 4);
  expect(await rebaseInPlace(stack)).toMatchObject({ outcome: 'not-needed', warnings: [] });
  expect(await filesIn(stack.walDir)).toHaveLength(1);
});

it('is rolled back if the server shows another state, unless somebody has written on the new log', async () => {
  const stack = await oddSource({ segmentSizeMb: 1 });
  await writeFat(stack.address, 2 * SEGMENT_ORDERS, 'a');
  const files = await filesIn(stack.walDir);
  const beforeStop = (): Promise<unknown> => pay(stack.address, 'a-0');
  const fail = (): Promise<never> => Promise.reject(new RstowError('digest-different', 'it shows another state'));
  const failed = rebaseInPlace(stack, { beforeStop, afterStart: fail });
  await expect(failed).rejects.toMatchObject({ code: 'digest-different', details: { dataInPlace: 'replaced' } });
  expect(await filesIn(stack.walDir)).toEqual(files);
  const digest = await sourceDigest(stack);
  expect(await backUp(stack)).toMatchObject({ timeline: '0001', restorable: 'from-log', stateDigest: digest });
  const writeAndFail = async (): Promise<void> => {
    await pay(stack.address, 'a-1');
    await fail();
  };
  const written = rebaseInPlace(stack, { afterStart: writeAndFail });
  await expect(written).rejects.toMatchObject({ code: 'digest-different', details: { dataInPlace: 'restored' } });
  expect(await filesIn(stack.walDir)).not.toEqual(files);
  expect(await backUp(stack)).toMatchObject({ restorable: 'from-baseline', stateDigest: await sourceDigest(stack) });
});
