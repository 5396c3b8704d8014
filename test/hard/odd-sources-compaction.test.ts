import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createZstdDecompress } from 'node:zlib';
import { Parser } from 'tar';
import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { compact, type Compaction, putMachine } from '../../src/io/rstmdb/server.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, restoreElsewhere, restoreInPlace } from '../support/direct-backup.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { backUpAndRestore, expectSound, oddSource, scratchFolder, sourceDigest, withClient, writeOrders } from '../support/odd-source.ts';
import { writeSnapshots } from '../support/odd-source-snapshots.ts';

const FIRST = '0000000000000001.wal';

function compactNow({ address }: DatabaseStack): Promise<Compaction> {
  return withClient(address, (client) => compact(client, { forceSnapshot: true, timeoutMs: 30_000 }));
}

/** A source with one record a segment, so that compaction finds something to delete. */
async function manySegments(): Promise<DatabaseStack> {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeOrders(stack.address, 12);
  return stack;
}

/** What lies in wal/ now, kept from whatever happens to the source. */
async function copyOfWal({ walDir }: DatabaseStack): Promise<string> {
  const copy = join(await scratchFolder(), 'wal');
  await cp(walDir, copy, { recursive: true });
  return copy;
}

describe('a COMPACT', () => {
  it('during a backup takes nothing away from it', async () => {
    const stack = await manySegments();
    const sourceWalDir = await copyOfWal(stack);
    let segmentsDeleted = 0;
    const afterPin = async (): Promise<void> => void ({ segmentsDeleted } = await compactNow(stack));
    const { manifest, dataDir } = await backUpAndRestore(stack, { afterPin, sourceWalDir });
    expect(segmentsDeleted).toBeGreaterThan(0);
    expect(manifest).toMatchObject({ restorable: 'from-log', warnings: [], instances: 12, stateDigest: await sourceDigest(stack) });
    expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
  });

  it('before the first backup lets that begin with what the server shows, and its snapshots are kept', async () => {
    const stack = await manySegments();
    const live = await sourceDigest(stack);
    await compactNow(stack);
    const manifest = await backUp(stack);
    expect(manifest).toMatchObject({ restorable: 'from-baseline', stateDigest: live, instances: 12, machines: 1 });
    const copy = join(await scratchFolder(), 'copy');
    await restoreElsewhere(stack, manifest.label, copy);
    expect(await expectSound(stack, copy)).toBe(live);
    expect(manifest.attachments.map(({ name }) => name)).toContain('snapshots.tar');
  });

  it('of segments that are stored leaves the next backup whole, also where the log has to be read from its beginning', async () => {
    const stack = await manySegments();
    await backUp(stack);
    const sourceWalDir = await copyOfWal(stack);
    expect((await compactNow(stack)).segmentsDeleted).toBeGreaterThan(0);
    const goesOn = await backUpAndRestore(stack, { sourceWalDir });
    await rm(join(stack.config.agent.stateDir, DATABASE, 'digest'), { recursive: true });
    const readsAll = await backUpAndRestore(stack, { sourceWalDir });
    const whole = { restorable: 'from-log', warnings: [], instances: 12, stateDigest: await sourceDigest(stack) };
    expect([goesOn.manifest, readsAll.manifest]).toMatchObject([whole, whole]);
    expect(await expectSound(stack, readsAll.dataDir)).toBe(whole.stateDigest);
  });

  it('of segments that are stored costs nothing, though the server lacks what was in them after its next start', async () => {
    const stack = await manySegments();
    const before = await sourceDigest(stack);
    await backUp(stack);
    await compactNow(stack);
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack)).not.toBe(before);
    const manifest = await backUp(stack);
    expect(manifest).toMatchObject({ restorable: 'from-log', instances: 12, stateDigest: before });
    expect(manifest.warnings.map(({ code }) => code)).toEqual(['state-unshown']);
    await restoreInPlace(stack, manifest.label);
    expect(await sourceDigest(stack)).toBe(before);
  });

  it.each([0, 2, 5, 10, 20, 40])('%i ms into a backup leaves it whole, or begins it with what the server shows', async (delayMs) => {
    const stack = await manySegments();
    const before = await sourceDigest(stack);
    const [manifest] = await Promise.all([backUp(stack), sleep(delayMs).then(() => compactNow(stack))]);
    const codes = manifest.restorable === 'from-baseline' ? ['log-rescued'] : [];
    expect(manifest.warnings.map(({ code }) => code)).toEqual(codes);
    expect(manifest).toMatchObject({ stateDigest: before, instances: 12, machines: 1 });
    await restoreElsewhere(stack, manifest.label, join(await scratchFolder(), 'target'));
  });
});

it('the automatic compaction during a backup takes nothing away from it', async () => {
  const compaction = { RSTMDB_COMPACT_ENABLED: 'true', RSTMDB_COMPACT_SIZE_MB: '1', RSTMDB_COMPACT_INTERVAL: '0' };
  const stack = await oddSource({ segmentSizeMb: 0, serverEnv: compaction });
  await withClient(stack.address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    const ctxText = JSON.stringify({ text: 'x'.repeat(95_000) });
    for (let serial = 0; serial < 12; serial += 1)
      await createInstance(client, { id: `big-${serial}`, machine: 'order', version: 1, ctxText });
  });
  // It counts only what was there at the server's start.
  await stack.service.stop();
  await stack.startServer();
  const sourceWalDir = await copyOfWal(stack);
  const afterPin = async (): Promise<void> => {
    while ((await readdir(stack.walDir)).includes(FIRST)) await sleep(100);
  };
  const { manifest, dataDir } = await backUpAndRestore(stack, { afterPin, sourceWalDir });
  expect(manifest).toMatchObject({ restorable: 'from-log', machines: 1, instances: 12, stateDigest: await sourceDigest(stack) });
  expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
  const after = await backUp(stack);
  expect(after).toMatchObject({ restorable: 'from-log', stateDigest: manifest.stateDigest });
  expect(after.warnings.map(({ code }) => code)).toEqual(['compaction-on']);
});

describe('an index.json', () => {
  const cases: { what: string; spoil: (path: string) => Promise<void> }[] = [
    { what: 'empty', spoil: (path) => writeFile(path, '') },
    { what: 'torn', spoil: (path) => writeFile(path, '{\n  "order-1": {\n    "snapshot_id": "snap-') },
    { what: 'absent', spoil: (path) => rm(path) },
  ];

  it.each(cases)('that is $what harms neither a backup nor the server that a restore starts', async ({ spoil }) => {
    const stack = await oddSource();
    await writeOrders(stack.address, 4);
    await withClient(stack.address, (client) => client.request('SNAPSHOT_INSTANCE', '{"instance_id":"order-1"}'));
    await spoil(join(stack.dataDir, 'snapshots', 'index.json'));
    const { manifest, dataDir } = await backUpAndRestore(stack);
    expect(manifest).toMatchObject({ restorable: 'from-log', warnings: [], stateDigest: await sourceDigest(stack) });
    expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
    await restoreInPlace(stack, manifest.label);
    expect(await sourceDigest(stack)).toBe(manifest.stateDigest);
  });
});

describe('30,000 snapshots', () => {
  const COUNT = 30_000;

  it('are no part of a backup with the whole log, and out of the way of a restore in place', async () => {
    const stack = await oddSource();
    await writeOrders(stack.address, 4);
    await stack.service.stop();
    await writeSnapshots(stack.dataDir, COUNT);
    await stack.startServer();
    const { manifest } = await backUpAndRestore(stack);
    expect(manifest.attachments.map(({ name }) => name)).toEqual(['machines.json']);
    await restoreInPlace(stack, manifest.label);
    expect(await sourceDigest(stack)).toBe(manifest.stateDigest);
  });

  it('are all kept by a backup whose log has a gap, but for their index', async () => {
    const stack = await manySegments();
    await stack.service.stop();
    await writeSnapshots(stack.dataDir, COUNT);
    await rm(join(stack.walDir, FIRST));
    await stack.startServer();
    const manifest = await backUp(stack);
    const names = await packedNames(stack, manifest);
    expect(names.size).toBe(COUNT);
    expect(names).toEqual(new Set((await readdir(join(stack.dataDir, 'snapshots'))).filter((name) => name !== 'index.json')));
  });
});

async function packedNames(stack: DatabaseStack, { label }: Manifest): Promise<Set<string>> {
  const names = new Set<string>();
  const source = await (await stack.openRepository()).openRead(`databases/${DATABASE}/backups/${label}/snapshots.tar.zst`);
  if (source === undefined) throw new Error('the backup has no snapshots');
  const parser = new Parser({
    onReadEntry: (entry) => {
      if (entry.type === 'File') names.add(entry.path.replace('snapshots/', ''));
      entry.resume();
    },
  });
  await pipeline(source, createZstdDecompress(), parser as unknown as NodeJS.WritableStream);
  return names;
}
