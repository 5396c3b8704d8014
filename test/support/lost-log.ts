/** Logs that have lost their first segments, and the proof that a backup of one is as good as any. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type SegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { applyEvent, createInstance, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import type { DatabaseStack } from './database-stack.ts';
import { restoreElsewhere, verifyByReplay } from './direct-backup.ts';
import { expectSound, scratchFolder, sourceDigest, withClient } from './odd-source.ts';

export const segmentNames = async (walDir: string): Promise<string[]> =>
  (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort();

/** What compaction leaves of a log: its first segments go, while the server runs on. */
export async function loseSegments({ walDir }: DatabaseStack, upTo: number): Promise<void> {
  for (const name of await segmentNames(walDir)) if (name <= segmentFileName(upTo as SegmentId)) await rm(join(walDir, name));
}

export const create = ({ address }: DatabaseStack, id: string, life: number): Promise<unknown> =>
  withClient(address, (client) => createInstance(client, { id, machine: 'order', version: 1, ctxText: `{"life":${life},"price":1.50}` }));

export const pay = ({ address }: DatabaseStack, id: string): Promise<unknown> =>
  withClient(address, (client) => applyEvent(client, { instanceId: id, event: 'PAY', payloadText: '{}' }));

export const remove = ({ address }: DatabaseStack, id: string): Promise<unknown> =>
  withClient(address, (client) => deleteInstance(client, id));

export const codesOf = ({ warnings }: Pick<Manifest, 'warnings'>): string[] => warnings.map(({ code }) => code);

/** Restored elsewhere, the backup gives what the source shows, and starts twice. */
export async function expectRestorable(stack: DatabaseStack, manifest: Manifest): Promise<void> {
  const live = await sourceDigest(stack);
  expect(manifest).toMatchObject({ restorable: 'from-baseline', stateDigest: live });
  await verifyByReplay(stack, manifest);
  const copy = join(await scratchFolder(), 'copy');
  await restoreElsewhere(stack, manifest.label, copy);
  expect(await expectSound(stack, copy)).toBe(live);
}
