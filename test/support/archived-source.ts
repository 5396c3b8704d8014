/** Servers whose log is archived look by look, beyond their only backup. */
import { expect } from 'vitest';
import type { SegmentId } from '../../src/core/wal/wal-offset.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { applyEvent, createInstance } from '../../src/io/rstmdb/instances.ts';
import { compact } from '../../src/io/rstmdb/server.ts';
import type { Store } from '../../src/store/store.ts';
import { type ArchiveLook, archiveLog } from './archive-log.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { backUp, directDeps } from './direct-backup.ts';
import { oddSource, sourceDigest, withClient, writeOrders } from './odd-source.ts';

export type ArchivedSource = { stack: DatabaseStack; store: Store; look: ArchiveLook };

/** A server whose log is archived from the end of its first backup on. */
export async function archivedSource(): Promise<ArchivedSource> {
  const stack = await oddSource({ segmentSizeMb: 1 });
  await writeOrders(stack.address, 3);
  await backUp(stack);
  const store = await directDeps(stack).openStore(DATABASE);
  return { stack, store, look: archiveLog(store, { timeline: '0001', walDir: stack.walDir, from: await endsOf(stack) }) };
}

export async function endsOf({ walDir }: DatabaseStack): Promise<Map<SegmentId, number>> {
  return new Map((await listSegments(walDir))!.map(({ segment, sizeBytes }) => [segment, sizeBytes]));
}

/** Some 400 KB, so that three of them begin another segment. */
export async function writeLarge({ address }: DatabaseStack, id: string): Promise<void> {
  const ctxText = JSON.stringify({ text: id.padEnd(400_000, 'x') });
  await withClient(address, (client) => createInstance(client, { id, machine: 'order', version: 1, ctxText }));
}

/** A server that has compacted segments away which no backup has, and the archive does. */
export async function compactedSource(): Promise<{ stack: DatabaseStack; before: string }> {
  const { stack, look } = await archivedSource();
  const ids = ['large-1', 'large-2', 'large-3', 'large-4', 'large-5', 'large-6'];
  for (const id of ids) await writeLarge(stack, id);
  await withClient(stack.address, async (client) => {
    // The newest segments hold the present state of everything: what stands before is of no use to the server.
    for (const instanceId of [...ids, 'order-0', 'order-2']) await applyEvent(client, { instanceId, event: 'PAY', payloadText: '{}' });
    await applyEvent(client, { instanceId: 'order-1', event: 'SHIP', payloadText: '{}' });
    await look();
    expect((await compact(client, { forceSnapshot: true, timeoutMs: 60_000 })).segmentsDeleted).toBeGreaterThan(0);
  });
  return { stack, before: await sourceDigest(stack) };
}
