import { copyFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseTestPoint } from '../../src/activities/recovery-test/test-steps.ts';
import type { RstowError } from '../../src/core/errors/rstow-error.ts';
import { applyEvent, createInstance, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, checkNow, directDeps, directRun, rebaseInPlace, verifyByReplay } from '../support/direct-backup.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { oddSource, sourceDigest, withClient, writeOrders } from '../support/odd-source.ts';
import { recordEnds, tearLastRecord } from '../support/wal-writer.ts';

const segmentPath = ({ walDir }: DatabaseStack, segment: number): string => join(walDir, `${segment.toString(16).padStart(16, '0')}.wal`);

/** One record a segment: the machine is in the second, order-0 in the third, order-1 in the fourth, its event in the fifth. */
async function manySegments(): Promise<DatabaseStack> {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 6);
  return stack;
}

/** Five of them fill a segment of 1 MB. */
async function writeLarge({ address }: DatabaseStack, prefix: string, count: number): Promise<void> {
  await withClient(address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    const ctxText = JSON.stringify({ text: 'x'.repeat(200_000) });
    for (let serial = 0; serial < count; serial += 1)
      await createInstance(client, { id: `${prefix}-${serial}`, machine: 'order', version: 1, ctxText });
  });
}

describe('a log that lacks what the running server shows', () => {
  it.each([
    { what: 'an order', segment: 3, lacks: 'lacks 1 (order-0), of the 6 instances' },
    { what: 'an order’s last change', segment: 5, lacks: 'lacks the last change of 1 (order-1), of the 6 instances' },
    { what: 'the machine', segment: 2, lacks: 'lacks 1 (order version 1), of the 6 instances' },
  ])('is told with its name: $what was in a segment that somebody emptied', async ({ segment, lacks }) => {
    const stack = await manySegments();
    await truncate(segmentPath(stack, segment), 0);
    const manifest = await backUp(stack);
    expect(manifest.restorable).toBe('no');
    expect(manifest.warnings).toMatchObject([{ code: 'state-lacking', message: expect.stringContaining(lacks) as string }]);
    // Whoever comes later is told the same.
    expect((await verifyByReplay(stack, manifest)).warnings).toEqual(manifest.warnings);
    const test = directRun(directDeps(stack))(chooseTestPoint, { database: DATABASE, backup: manifest.label, seed: 1 });
    await expect(test).rejects.toMatchObject({ code: 'wal-gap', message: expect.stringContaining(lacks) as string });
  });

  it('is told where a segment was cut at the end of a record, and the backup before it is named', async () => {
    const stack = await oddSource({ segmentSizeMb: 1 });
    await writeLarge(stack, 'stored', 12);
    const { label } = await backUp(stack);
    await writeLarge(stack, 'new', 12);
    const middle = segmentPath(stack, 4);
    const ends = await recordEnds(middle);
    await truncate(middle, ends.at(-3) ?? 0);
    const manifest = await backUp(stack);
    expect(manifest).toMatchObject({ restorable: 'no', instances: 22 });
    expect(manifest.warnings[0]?.message).toMatch(/lacks 2 \(new-[0-9]+, new-[0-9]+\), of the 24 instances/);
    const test = directRun(directDeps(stack))(chooseTestPoint, { database: DATABASE, backup: 'latest', seed: 1 });
    await expect(test).rejects.toMatchObject({ message: expect.stringContaining(`can be restored is ${label}`) as string });
  });

  it('comes from the server where a segment had grown since it was stored, and went', async () => {
    const stack = await oddSource({ segmentSizeMb: 1 });
    await writeLarge(stack, 'stored', 2);
    await backUp(stack);
    await writeLarge(stack, 'new', 8);
    await rm(segmentPath(stack, 1));
    const manifest = await backUp(stack);
    expect(manifest).toMatchObject({
      restorable: 'from-baseline',
      timeline: '0002',
      instances: 10,
      stateDigest: await sourceDigest(stack),
    });
    expect(manifest.warnings.map(({ code }) => code)).toEqual(['log-rescued']);
    await verifyByReplay(stack, manifest);
  });
});

it('a log in which an older change stands behind a newer one is told with its name, and no rebase takes that back', async () => {
  const stack = await manySegments();
  await withClient(stack.address, (client) => applyEvent(client, { instanceId: 'order-1', event: 'SHIP', payloadText: '{}' }));
  const shown = await sourceDigest(stack);
  // As writers that race to rotate leave it: a segment that the server has written before the one that precedes it.
  await copyFile(segmentPath(stack, 5), segmentPath(stack, 13));
  const manifest = await backUp(stack);
  const told = 'takes back the last change of 1 (order-1), of the 6 instances';
  expect(manifest).toMatchObject({ restorable: 'from-log', comparison: { older: { count: 1, first: ['order-1'] } } });
  expect(manifest.warnings).toMatchObject([{ code: 'state-older', message: expect.stringContaining(told) as string }]);
  const { findings } = await checkNow(stack);
  expect(findings).toContainEqual(
    expect.objectContaining({ code: 'restart-loses', sentence: 'a restart now would take back the last changes of 1 instance (order-1)' }),
  );
  await expect(rebaseInPlace(stack)).rejects.toMatchObject({ code: 'restart-unsafe', message: expect.stringContaining(told) as string });
  expect(await sourceDigest(stack)).toBe(shown);
  await stack.service.stop();
  await stack.startServer();
  expect(await sourceDigest(stack)).toBe(manifest.stateDigest);
  expect(manifest.stateDigest).not.toBe(shown);
});

it('what is written, changed and deleted while a backup is made is no fault of the log', async () => {
  const stack = await manySegments();
  const afterPin = (): Promise<void> =>
    withClient(stack.address, async (client) => {
      await writeOrders(stack.address, 4, 'meanwhile');
      await deleteInstance(client, 'order-2');
      await deleteInstance(client, 'meanwhile-0');
      await client.request('APPLY_EVENT', '{"instance_id":"order-4","event":"PAY"}');
      await putMachine(client, { ...ORDER_MACHINE, version: 2 });
    });
  expect(await backUp(stack, { afterPin })).toMatchObject({ restorable: 'from-log', warnings: [], instances: 6 });
});

it('a log that was written on behind a torn record is damaged, and what a restart would lose is counted', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 6);
  const path = segmentPath(stack, 1);
  await backUp(stack);
  await stack.service.stop();
  const startBytes = await tearLastRecord(path, 9);
  await stack.startServer();
  await writeOrders(stack.address, 4, 'later');
  const failure: unknown = await backUp(stack).catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'source-damaged', details: { positionBytes: startBytes } });
  expect((failure as RstowError).details['recordsBehind']).toBeGreaterThanOrEqual(5);
  expect((failure as RstowError).message).toMatch(/lose|refuse/);
});
