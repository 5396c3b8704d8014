import { execFileSync } from 'node:child_process';
import { mkdir, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { repairSegment } from '../../src/local/repair-segment.ts';
import { backUp, extentsOf, verifyByReplay } from '../support/direct-backup.ts';
import type { DatabaseStack } from '../support/database-stack.ts';
import {
  backUpAndRestore,
  expectSound,
  oddSource,
  scratchFolder,
  sourceDigest,
  startedDigest,
  withClient,
  writeOrders,
} from '../support/odd-source.ts';
import { append, orderRecord } from '../support/wal-writer.ts';

/** A source with one record a segment; its second one holds the machine. */
async function manySegments(): Promise<{ stack: DatabaseStack; older: string; name: string }> {
  const stack = await oddSource({ segmentSizeMb: 0, timing: { tornTailMs: 2000 } });
  await writeOrders(stack.address, 3);
  const name = '0000000000000003.wal';
  return { stack, name, older: join(stack.walDir, name) };
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

describe('an older segment that grows, as after a rotation race', () => {
  it('gets another piece in the next backup, and its record counts', async () => {
    const { stack, older, name } = await manySegments();
    const first = await backUp(stack);
    const before = await sizeOf(older);
    await append(older, orderRecord('late'));
    const { manifest, dataDir } = await backUpAndRestore(stack);
    expect(manifest.segments.find(({ segment }) => segment === 3)?.ranges.map(({ startBytes }) => startBytes)).toEqual([0, before]);
    expect(extentsOf(manifest)[name]).toBe(await sizeOf(older));
    expect(manifest.instances).toBe(first.instances + 1);
    await stack.service.stop();
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(manifest.stateDigest);
    expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
  });

  it('while a backup stores it is cut at the fence, and the next backup has the rest', async () => {
    const { stack, older, name } = await manySegments();
    const before = await sizeOf(older);
    const first = await backUp(stack, { afterPin: () => append(older, orderRecord('late')) });
    expect(extentsOf(first)[name]).toBe(before);
    await verifyByReplay(stack, first);
    const second = await backUpAndRestore(stack);
    expect(extentsOf(second.manifest)[name]).toBe(await sizeOf(older));
  });

  it('in the middle of a record is waited for, and the record is taken whole', async () => {
    const { stack, older, name } = await manySegments();
    const record = orderRecord('slow');
    await append(older, record.subarray(0, 60));
    const afterPin = async (): Promise<void> => {
      void sleep(200).then(() => append(older, record.subarray(60)));
      return Promise.resolve();
    };
    const { manifest } = await backUpAndRestore(stack, { afterPin });
    expect(manifest.instances).toBe(4);
    // Its own server never wrote that record, and so doesn't show it.
    expect(manifest.warnings.map(({ code }) => code)).toEqual(['state-unshown']);
    expect(extentsOf(manifest)[name]).toBe(await sizeOf(older));
  });
});

/** Eight writers, each write in a segment of its own: they meet at every rotation. Gives how many were acknowledged. */
async function raceToRotate(address: string, round: number): Promise<number> {
  const write = (client: RstmdbClient, id: string): Promise<number> =>
    createInstance(client, { id, machine: 'order', version: 1 }).then(
      () => 1,
      () => 0,
    );
  const writer = (index: number): Promise<number> =>
    withClient(address, async (client) => {
      let acknowledged = 0;
      for (let serial = 0; serial < 8; serial += 1) acknowledged += await write(client, `race-${round}-${index}-${serial}`);
      return acknowledged;
    });
  const counts = await Promise.all(Array.from({ length: 8 }, (_, index) => writer(index)));
  return counts.reduce((sum, count) => sum + count, 0);
}

it('backups among writers that race to rotate at every write lose nothing that was acknowledged', async () => {
  const { stack } = await manySegments();
  const [early, first] = await Promise.all([backUp(stack), raceToRotate(stack.address, 1)]);
  const [, second] = await Promise.all([backUp(stack), raceToRotate(stack.address, 2)]);
  expect(early.restorable).toBe('from-log');
  const { manifest, dataDir } = await backUpAndRestore(stack);
  expect(manifest).toMatchObject({ restorable: 'from-log', warnings: [], stateDigest: await sourceDigest(stack) });
  expect(manifest.instances).toBe(3 + first + second);
  expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
  // How often they really met is luck: counted for the reader, nothing hangs on it.
  console.log(`races that the server refused: ${128 - first - second} of 128 writes`);
});

describe('an empty segment', () => {
  it('at the log’s beginning is restored as it is', async () => {
    const { stack } = await manySegments();
    const { manifest, dataDir } = await backUpAndRestore(stack);
    expect(extentsOf(manifest)['0000000000000001.wal']).toBe(0);
    expect(await expectSound(stack, dataDir)).toBe(await sourceDigest(stack));
  });

  it('in the middle and at the end, as a record leaves them that was too large', async () => {
    const stack = await oddSource({ segmentSizeMb: 1 });
    await writeOrders(stack.address, 2);
    await withClient(stack.address, async (client) => {
      const ctxText = JSON.stringify({ text: 'x'.repeat(16_711_680) });
      await expect(createInstance(client, { id: 'too-large', machine: 'order', version: 1, ctxText })).rejects.toBeInstanceOf(RstowError);
    });
    const middle = await backUpAndRestore(stack);
    expect(Object.values(extentsOf(middle.manifest)).at(-1)).toBe(0);
    expect(await expectSound(stack, middle.dataDir)).toBe(await sourceDigest(stack));
  });

  it('is all that a fresh server has', async () => {
    const stack = await oddSource();
    const { manifest, dataDir } = await backUpAndRestore(stack);
    expect(manifest).toMatchObject({ records: 0, machines: 0, restorable: 'from-log', stateDigest: await sourceDigest(stack) });
    expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
  });
});

/** Leaves so few free bytes that the server's next large record is torn by the full disk. */
async function fillDisk(dataDir: string, leftBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dataDir);
  await writeFile(join(dataDir, 'filler'), Buffer.alloc(bavail * bsize - leftBytes));
}

describe.runIf(process.getuid?.() === 0)('a record that a full disk tore (needs root)', () => {
  it('is source-damaged once others stand behind it, and a repaired copy has those', async () => {
    const stack = await oddSource();
    await stack.service.stop();
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', stack.dataDir]);
    onTestFinished(() => void execFileSync('umount', ['--lazy', stack.dataDir]));
    await stack.startServer();
    await writeOrders(stack.address, 4);
    const path = join(stack.walDir, '0000000000000001.wal');
    const endBytes = await sizeOf(path);
    await fillDisk(stack.dataDir, 64 * 1024);
    await withClient(stack.address, async (client) => {
      const ctxText = JSON.stringify({ text: 'x'.repeat(500_000) });
      await expect(createInstance(client, { id: 'torn', machine: 'order', version: 1, ctxText })).rejects.toBeInstanceOf(RstowError);
    });
    expect(await sizeOf(path)).toBeGreaterThan(endBytes);
    execFileSync('mount', ['-o', 'remount,size=8m', stack.dataDir]);
    const torn = await backUp(stack);
    expect(torn.warnings.map(({ code }) => code)).toEqual(['torn-tail']);
    await writeOrders(stack.address, 2, 'behind');
    const live = await sourceDigest(stack);
    await expect(backUp(stack)).rejects.toMatchObject({ code: 'source-damaged', details: { positionBytes: endBytes } });
    const repaired = join(await scratchFolder(), 'data');
    await writeRepaired(path, repaired);
    expect(await startedDigest(stack, repaired)).toBe(live);
  });
});

async function writeRepaired(path: string, dataDir: string): Promise<void> {
  await mkdir(join(dataDir, 'wal'), { recursive: true });
  await repairSegment(path, join(dataDir, 'wal', '0000000000000001.wal'));
}
