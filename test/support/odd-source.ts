/** Sources that are odd, and the proof that a restored copy of one is as good as new. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { type DatabaseStack, makeDatabaseStack, type StackOptions } from './database-stack.ts';
import { backUp, type BackUpOptions, expectSameWal, restoreElsewhere, verifyByReplay } from './direct-backup.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { type RstmdbServer, startRstmdb } from './rstmdb-server.ts';

type OddSourceOptions = Omit<StackOptions, 'temporalAddress'>;

/** A running server with its stack; its steps go without Temporal. */
export function makeOddSource(options: OddSourceOptions = {}): Promise<DatabaseStack> {
  const timing = { tornTailMs: 100, ...options.timing };
  return makeDatabaseStack({ temporalAddress: '127.0.0.1:1', ...options, timing });
}

/** The same for the running test alone. */
export async function oddSource(options: OddSourceOptions = {}): Promise<DatabaseStack> {
  const stack = await makeOddSource(options);
  onTestFinished(() => stack.remove());
  return stack;
}

export async function withClient<Result>(address: string, use: (client: RstmdbClient) => Promise<Result>): Promise<Result> {
  const client = await connectRstmdb({ address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Orders in all states, a few records each. */
export async function writeOrders(address: string, count: number, prefix = 'order'): Promise<void> {
  await withClient(address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    for (let serial = 0; serial < count; serial += 1) {
      const id = `${prefix}-${serial}`;
      await createInstance(client, { id, machine: 'order', version: 1, ctxText: JSON.stringify({ serial, city: 'Zürich' }) });
      if (serial % 2 === 1) await applyEvent(client, { instanceId: id, event: 'PAY', payloadText: `{"amountCents":${serial * 7}}` });
    }
  });
}

/** Fills several segments of 1 MB, the last of which hold the present state of everything. */
export async function writeLarge(client: RstmdbClient): Promise<void> {
  await putMachine(client, ORDER_MACHINE);
  const ids = Array.from({ length: 6 }, (_, serial) => `large-${serial}`);
  const ctxText = JSON.stringify({ filling: 'x'.repeat(400_000) });
  for (const id of ids) await createInstance(client, { id, machine: 'order', version: 1, ctxText });
  for (const id of ids) await applyEvent(client, { instanceId: id, event: 'PAY', payloadText: '{}' });
}

export type RestoredCopy = { manifest: Manifest; dataDir: string };

/** Backs up, verifies, restores elsewhere, and proves the copy: same bytes, same state, writable, restartable. */
export async function backUpAndRestore(
  stack: DatabaseStack,
  options: BackUpOptions & { sourceWalDir?: string } = {},
): Promise<RestoredCopy> {
  const manifest = await backUp(stack, options);
  await verifyByReplay(stack, manifest);
  const folder = await scratchFolder();
  const dataDir = join(folder, 'restored');
  await restoreElsewhere(stack, manifest.label, dataDir);
  await expectSameWal(manifest, options.sourceWalDir ?? stack.walDir, join(dataDir, 'wal'));
  return { manifest, dataDir };
}

/** The copy starts, takes a write, and starts twice more with everything in it. Gives the state's first digest. */
export async function expectSound(stack: DatabaseStack, dataDir: string): Promise<string> {
  const first = await startCopy(dataDir);
  const digest = await digestOf(stack, first);
  await writeOrders(first.address, 1, 'after-restore');
  const written = await digestOf(stack, first);
  expect(written).not.toBe(digest);
  expect(await first.stop()).toBe(0);
  for (let restart = 1; restart <= 2; restart += 1) {
    const again = await startCopy(dataDir);
    expect(await digestOf(stack, again), `restart ${restart}`).toBe(written);
    expect(await again.stop()).toBe(0);
  }
  return digest;
}

/** The digest of the state that a server on the copy shows. */
export async function startedDigest(stack: DatabaseStack, dataDir: string): Promise<string> {
  const server = await startCopy(dataDir);
  const digest = await digestOf(stack, server);
  await server.stop();
  return digest;
}

/** The digest of the state that the source's own server shows. */
export async function sourceDigest(stack: DatabaseStack): Promise<string> {
  return (await liveDigest(stack.settings, stack.config.timing, new AbortController().signal)).stateDigest;
}

export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-odd-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function startCopy(dataDir: string): Promise<RstmdbServer> {
  const server = await startRstmdb({ dataDir, env: { RSTMDB_COMPACT_ENABLED: 'false' } });
  onTestFinished(() => server.kill());
  return server;
}

async function digestOf({ settings, config }: DatabaseStack, { address }: RstmdbServer): Promise<string> {
  const copy = { ...settings, server: { ...settings.server, address } };
  return (await liveDigest(copy, config.timing, new AbortController().signal)).stateDigest;
}
