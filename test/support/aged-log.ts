/** A database whose log is old enough to begin with a baseline, by a config that lets history go. */
import { randomBytes } from 'node:crypto';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { applyEvent, createInstance, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import type { DatabaseStack } from './database-stack.ts';
import { backUp } from './direct-backup.ts';
import { oddSource, withClient, writeOrders } from './odd-source.ts';

const DAY_MS = 24 * 3600 * 1000;
export const HISTORY_DAYS = 90;

/** So many orders fill a segment of 1 MB, or nearly. */
export const SEGMENT_ORDERS = 11;
const fat = 'x'.repeat(100_000);

/** Orders that fill segments. */
export async function writeFat(address: string, count: number, prefix: string): Promise<void> {
  await writeOrders(address, 1, `${prefix}-first`);
  await withClient(address, async (client) => {
    for (let serial = 0; serial < count; serial += 1) {
      await createInstance(client, { id: `${prefix}-${serial}`, machine: 'order', version: 1, ctxText: `{"fat":"${fat}","price":1.50}` });
    }
  });
}

/** Orders of 60 KB that no compression makes smaller than three quarters: 13 fill a segment of 1 MB. */
export async function writeNoise(address: string, count: number): Promise<void> {
  await writeOrders(address, 1, 'first');
  await withClient(address, async (client) => {
    for (let serial = 0; serial < count; serial += 1) {
      const ctxText = JSON.stringify({ noise: randomBytes(60_000).toString('base64') });
      await createInstance(client, { id: `noise-${serial}`, machine: 'order', version: 1, ctxText });
    }
  });
}

async function again(address: string, id: string, ctxText: string): Promise<void> {
  await withClient(address, (client) => createInstance(client, { id, machine: 'order', version: 1, ctxText }));
}

async function remove(address: string, ...ids: string[]): Promise<void> {
  await withClient(address, async (client) => {
    for (const id of ids) await deleteInstance(client, id);
  });
}

export async function pay(address: string, id: string): Promise<void> {
  await withClient(address, (client) => applyEvent(client, { instanceId: id, event: 'PAY', payloadText: '{}' }));
}

/** When the first has become history, and nothing that came after it has. */
export const longAfter = ({ writtenAtMs }: Manifest): number => writtenAtMs + HISTORY_DAYS * DAY_MS;

export const agedSource = (): Promise<DatabaseStack> =>
  oddSource({ segmentSizeMb: 1, database: { restore: { historyDays: HISTORY_DAYS } } });

/** A log of five segments or so. Instances of every fate cross its middle, where the first backup ends; the other is made long after. */
export async function agedLog(stack: DatabaseStack): Promise<{ old: Manifest; aged: Manifest }> {
  const { address } = stack;
  await writeOrders(address, 1, 'first');
  await again(address, 'gone', '{}');
  await again(address, 'back', '{}');
  await remove(address, 'gone', 'back');
  await writeFat(address, 3 * SEGMENT_ORDERS, 'a');
  await remove(address, 'a-1', 'a-2');
  await again(address, 'a-1', '{"life":2}');
  await pay(address, 'a-4');
  const old = await backUp(stack);
  for (const id of ['a-2', 'back']) await again(address, id, '{"life":2}');
  await remove(address, 'a-3');
  await pay(address, 'a-5');
  await writeFat(address, 2 * SEGMENT_ORDERS, 'b');
  await remove(address, 'a-1');
  await again(address, 'a-1', '{"life":3}');
  const aged = await backUp(stack, { startedAtMs: longAfter(old) });
  return { old, aged };
}
