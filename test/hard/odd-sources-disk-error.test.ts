import { execFileSync } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import { repairSegment } from '../../src/local/repair-segment.ts';
import { backUp } from '../support/direct-backup.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, withClient } from '../support/odd-source.ts';

const SHIM = fileURLToPath(new URL('../fixtures/disk-error/torn-write.c', import.meta.url));
const FILE = '0000000000000001.wal';
const TORN_WRITE = 4;
const ORDERS = 8;

/** A library that tears one write of the server that it is preloaded into. */
async function tornWriteLibrary(): Promise<string> {
  const library = join(await scratchFolder(), 'torn-write.so');
  execFileSync('cc', ['-shared', '-fPIC', '-o', library, SHIM]);
  return library;
}

it('names a record that a failing disk tore in mid-segment, and repairs a copy of it with all that was acknowledged', async () => {
  const source = await oddSource({ serverEnv: { LD_PRELOAD: await tornWriteLibrary(), RSTOW_TEST_TORN_WRITE: String(TORN_WRITE) } });
  const acknowledged: string[] = [];
  await withClient(source.address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    for (let serial = 0; serial < ORDERS; serial += 1) {
      const id = `order-${serial}`;
      const created = createInstance(client, { id, machine: 'order', version: 1, ctxText: `{"serial":${serial}}` });
      await created.then(() => acknowledged.push(id)).catch(() => undefined);
    }
  });
  expect(acknowledged).toHaveLength(ORDERS - 1);
  const segment = join(source.walDir, FILE);
  const before = await readFile(segment);
  await expect(backUp(source)).rejects.toMatchObject({ code: 'source-damaged' });

  const dataDir = join(await scratchFolder(), 'data');
  await mkdir(join(dataDir, 'wal'), { recursive: true });
  const repaired = await repairSegment(segment, join(dataDir, 'wal', FILE));
  expect(repaired.records).toBe(1 + acknowledged.length);
  expect(repaired.leftOut).toHaveLength(1);
  expect((await readFile(segment)).equals(before)).toBe(true);
  expect(await expectSound(source, dataDir)).toBe(await sourceDigest(source));
});
