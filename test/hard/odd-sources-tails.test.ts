import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pinWal, unpinWal } from '../../src/activities/backup/prepare-backup.ts';
import { storeSegments } from '../../src/activities/backup/store-segments.ts';
import { backUp, directDeps, directRun } from '../support/direct-backup.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import {
  backUpAndRestore,
  expectSound,
  makeOddSource,
  oddSource,
  scratchFolder,
  sourceDigest,
  writeOrders,
} from '../support/odd-source.ts';
import { append, orderRecord, recordEnds, tearLastRecord } from '../support/wal-writer.ts';

const FIRST = '0000000000000001.wal';
const FLIPPED = Uint8Array.from(orderRecord('flipped'), (byte, index) => (index === 100 ? byte ^ 1 : byte));

/** A stopped source whose log ends with one order's record. */
async function stoppedSource(): Promise<{ stack: DatabaseStack; path: string }> {
  const stack = await oddSource();
  await writeOrders(stack.address, 4);
  await stack.service.stop();
  return { stack, path: join(stack.walDir, FIRST) };
}

type Stored = { endBytes: number; codes: string[] };

/** Pins and stores what lies in the folder, as a backup does once it has spoken to the server. */
async function storeFiles(stack: DatabaseStack, dataDir: string): Promise<Stored> {
  const deps = directDeps(stack);
  const config = { ...stack.config, databases: { [DATABASE]: { ...stack.settings, dataDir } } };
  const run = directRun({ ...deps, config });
  const store = await deps.openStore(DATABASE);
  const why = { generation: 1, parent: null, why: 'first', runId: 'claim', createdAtMs: 0 } as const;
  const { timeline } = await store.timelines.create(why);
  const at = { database: DATABASE, repository: 'local', timeline };
  const { fenceKey } = await run(pinWal, at);
  const { extentsKey, warnings } = await run(storeSegments, { ...at, fenceKey });
  await run(unpinWal, at);
  const { segments } = await store.plans.extents().read(extentsKey);
  return { endBytes: segments.at(-1)?.endBytes ?? -1, codes: warnings.map(({ code }) => code) };
}

describe('a tail that is no record', () => {
  it('is cut off, wherever the last record is torn', async () => {
    const { stack, path } = await stoppedSource();
    const ends = await recordEnds(path);
    const [boundaryBytes, endBytes] = [ends.at(-2) ?? 0, ends.at(-1) ?? 0];
    const bytes = await readFile(path);
    const storeCut = async (keptBytes: number): Promise<Stored> => {
      const dataDir = join(await scratchFolder(), 'data');
      await mkdir(join(dataDir, 'wal'), { recursive: true });
      await writeFile(join(dataDir, 'wal', FIRST), bytes.subarray(0, boundaryBytes + keptBytes));
      return storeFiles(stack, dataDir);
    };
    expect(await storeCut(0)).toEqual({ endBytes: boundaryBytes, codes: [] });
    const cuts = Array.from({ length: endBytes - boundaryBytes - 1 }, (_, index) => index + 1);
    const stored = await Promise.all(cuts.map(storeCut));
    for (const [index, outcome] of stored.entries()) {
      expect(outcome, `${cuts[index]} bytes kept`).toEqual({ endBytes: boundaryBytes, codes: ['torn-tail'] });
    }
    expect(cuts.length).toBeGreaterThan(100);
  });

  describe('a server that starts on it, and one that starts on the restored copy', () => {
    let stack: DatabaseStack;
    let path: string;
    let bytes: Uint8Array;

    beforeAll(async () => {
      stack = await makeOddSource();
      path = join(stack.walDir, FIRST);
      await writeOrders(stack.address, 4);
      await stack.service.stop();
      bytes = await readFile(path);
    });

    afterAll(() => stack.remove());

    // The first keeps one byte, the last all but one.
    it.each(Array.from({ length: 20 }, (_, index) => index))('show the same state with cut %i of 0 to 19', async (index) => {
      await stack.service.stop();
      await writeFile(path, bytes);
      const [startBytes, endBytes] = (await recordEnds(path)).slice(-2) as [number, number];
      const keptBytes = 1 + Math.round(((endBytes - startBytes - 2) * index) / 19);
      expect(await tearLastRecord(path, keptBytes)).toBe(startBytes);
      await stack.startServer();
      const { manifest, dataDir } = await backUpAndRestore(stack);
      expect(manifest.warnings.map(({ code }) => code)).toEqual(['torn-tail']);
      expect(manifest.segments[0]?.ranges.at(-1)?.endBytes).toBe(startBytes);
      expect(await sourceDigest(stack)).toBe(manifest.stateDigest);
      expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
    });
  });

  it.each([1, 10, 4096])('is left out where it is %i zeros', async (zeros) => {
    const { stack, path } = await stoppedSource();
    const endBytes = (await recordEnds(path)).at(-1);
    await append(path, Buffer.alloc(zeros));
    await stack.startServer();
    const { manifest, dataDir } = await backUpAndRestore(stack);
    expect(manifest.warnings.map(({ code }) => code)).toEqual(['zero-tail']);
    expect(manifest.segments[0]?.ranges.at(-1)?.endBytes).toBe(endBytes);
    expect(await expectSound(stack, dataDir)).toBe(await sourceDigest(stack));
  });

  it('is left out of a segment that is not the last one, too', async () => {
    const stack = await oddSource({ segmentSizeMb: 0 });
    await writeOrders(stack.address, 2);
    await stack.service.stop();
    const middle =
      (await readdir(stack.walDir))
        .filter((name) => name.endsWith('.wal'))
        .sort()
        .at(-2) ?? '';
    await append(join(stack.walDir, middle), orderRecord('never acknowledged').subarray(0, 70));
    await stack.startServer();
    const { manifest, dataDir } = await backUpAndRestore(stack);
    expect(manifest.warnings.map(({ code }) => code)).toEqual(['torn-tail']);
    expect(await expectSound(stack, dataDir)).toBe(await sourceDigest(stack));
  });

  it('is named again by the next backup, which stores nothing twice', async () => {
    const { stack, path } = await stoppedSource();
    await append(path, orderRecord('torn').subarray(0, 70));
    await stack.startServer();
    const [first, second] = [await backUp(stack), await backUp(stack)];
    expect(second.warnings).toEqual(first.warnings);
    expect(second.segments).toEqual(first.segments);
  });
});

describe('damage with records behind it', () => {
  const cases: { what: string; parts: Uint8Array[] }[] = [
    { what: 'a torn record', parts: [orderRecord('torn').subarray(0, 70), orderRecord('behind')] },
    { what: 'a header of 10 bytes, which swallows what follows', parts: [orderRecord('torn').subarray(0, 10), orderRecord('behind')] },
    { what: 'zeros', parts: [Buffer.alloc(512), orderRecord('behind')] },
    { what: 'a flipped bit', parts: [FLIPPED, orderRecord('behind')] },
    { what: 'a flipped bit at the very end', parts: [FLIPPED] },
    { what: 'text', parts: [Buffer.from('no record at all, but long enough for a header')] },
    { what: 'a torn record that zeros fill beyond its end', parts: [orderRecord('torn').subarray(0, 70), Buffer.alloc(4096)] },
  ];

  it.each(cases)('is source-damaged, and what is whole before it stays stored: $what', async ({ parts }) => {
    const { stack, path } = await stoppedSource();
    const endBytes = (await recordEnds(path)).at(-1);
    const repaired = join(await scratchFolder(), 'data');
    await mkdir(join(repaired, 'wal'), { recursive: true });
    await copyFile(path, join(repaired, 'wal', FIRST));
    await append(path, ...parts);
    await expect(storeFiles(stack, stack.dataDir)).rejects.toMatchObject({
      code: 'source-damaged',
      details: { file: FIRST, positionBytes: endBytes },
    });
    // The same history without the damage: its bytes are there already.
    expect(await storeFiles(stack, repaired)).toEqual({ endBytes, codes: [] });
    expect(await storedKeys(stack)).toHaveLength(1);
  });
});

async function storedKeys(stack: DatabaseStack): Promise<string[]> {
  const keys: string[] = [];
  const repository = await stack.openRepository();
  for await (const key of repository.keys(`databases/${DATABASE}/wal/`)) if (key.endsWith('.wal.zst')) keys.push(key);
  return keys;
}
