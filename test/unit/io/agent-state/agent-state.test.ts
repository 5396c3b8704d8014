import { createHash, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Owner } from '../../../../src/formats/repository/owner.ts';
import { settleInstance, settleMachines } from '../../../../src/core/state/digest-update.ts';
import { createReplayIndex } from '../../../../src/core/state/replay-index.ts';
import { createStateDigest } from '../../../../src/core/state/state-digest.ts';
import { makeSegmentId } from '../../../../src/core/wal/segment-id.ts';
import { readCheckpoint, type SettledReplay, writeCheckpoint } from '../../../../src/io/agent-state/digest-checkpoint.ts';
import { installationId } from '../../../../src/io/agent-state/installation.ts';
import { createSeenOwners } from '../../../../src/io/agent-state/seen-owners.ts';
import { makeScratch, removeScratch } from '../../../../src/io/agent-state/scratch.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';

async function stateFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rstow-agent-state-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const sha256 = (parts: readonly string[]): string => createHash('sha256').update(parts.join('')).digest('hex');
const binding = { timeline: '0001', walInode: '4711' };

/** What replaying the golden segment leaves. */
function settled(): SettledReplay {
  const segment = makeSegmentId(1)!;
  const { records, end } = scanAll([goldenSegment()]);
  const index = createReplayIndex();
  for (const record of records) index.apply(segment, record);
  const digest = createStateDigest();
  settleMachines(index, digest, sha256);
  for (const instance of index.dirtyInstances()) {
    const last = records.find(({ startBytes }) => startBytes === instance.last?.startBytes);
    expect(settleInstance(digest, { instance, payload: instance.deleted ? undefined : last?.payload, sha256 })).toBe(true);
  }
  return { index, extents: [{ segment, endBytes: end.positionBytes }], digest: digest.hex() };
}

describe('a digest’s checkpoint', () => {
  it('is read back by the history and the folder that it was made of', async () => {
    const stateDir = await stateFolder();
    const replay = settled();
    expect(await readCheckpoint({ stateDir, database: 'orders', binding })).toBeUndefined();
    await writeCheckpoint({ stateDir, database: 'orders', binding }, replay);
    const checkpoint = await readCheckpoint({ stateDir, database: 'orders', binding });
    expect(checkpoint).toMatchObject({ extents: replay.extents, digest: replay.digest });
    expect(checkpoint?.instances).toHaveLength([...replay.index.instances()].length);
  });

  it('is worth nothing to another timeline, another wal/ folder, or another database', async () => {
    const stateDir = await stateFolder();
    await writeCheckpoint({ stateDir, database: 'orders', binding }, settled());
    expect(await readCheckpoint({ stateDir, database: 'orders', binding: { ...binding, timeline: '0002' } })).toBeUndefined();
    expect(await readCheckpoint({ stateDir, database: 'orders', binding: { ...binding, walInode: '4712' } })).toBeUndefined();
    expect(await readCheckpoint({ stateDir, database: 'stock', binding })).toBeUndefined();
  });

  it('is worth nothing with any flipped bit, or cut short', async () => {
    const stateDir = await stateFolder();
    await writeCheckpoint({ stateDir, database: 'orders', binding }, settled());
    const path = join(stateDir, 'orders', 'digest', 'checkpoint.jsonl');
    const sound = await readFile(path);
    for (let at = 0; at < sound.length; at += 1) {
      const flipped = Uint8Array.from(sound);
      flipped[at] = flipped[at]! ^ (1 << (at & 7));
      await writeFile(path, flipped);
      expect(await readCheckpoint({ stateDir, database: 'orders', binding })).toBeUndefined();
    }
    for (const sizeBytes of [0, 1, sound.length >> 1, sound.length - 1]) {
      await writeFile(path, sound.subarray(0, sizeBytes));
      expect(await readCheckpoint({ stateDir, database: 'orders', binding })).toBeUndefined();
    }
  }, 60_000);

  it('leaves nothing of one that could not be written to its end, nor what a killed agent left long ago', async () => {
    const stateDir = await stateFolder();
    const { index, ...rest } = settled();
    const failing = (): never => {
      throw new Error('ENOSPC');
    };
    await expect(
      writeCheckpoint({ stateDir, database: 'orders', binding }, { index: { ...index, instances: failing }, ...rest }),
    ).rejects.toThrow('ENOSPC');
    const folder = join(stateDir, 'orders', 'digest');
    expect(await readdir(folder)).toEqual([]);
    const left = join(folder, `checkpoint.jsonl.${randomUUID()}.tmp`);
    await writeFile(left, 'half');
    await utimes(left, new Date(0), new Date(0));
    await writeCheckpoint({ stateDir, database: 'orders', binding }, settled());
    expect(await readdir(folder)).toEqual(['checkpoint.jsonl']);
  });

  it('leaves no temporary file beside it', async () => {
    const stateDir = await stateFolder();
    for (const timeline of ['0001', '0002'])
      await writeCheckpoint({ stateDir, database: 'orders', binding: { ...binding, timeline } }, settled());
    expect(await readdir(join(stateDir, 'orders', 'digest'))).toEqual(['checkpoint.jsonl']);
  });
});

it('makes one installation id, also for ten that ask at once, and keeps it', async () => {
  const stateDir = await stateFolder();
  const ids = await Promise.all(Array.from({ length: 10 }, () => installationId(stateDir)));
  expect(new Set(ids).size).toBe(1);
  expect(await installationId(stateDir)).toBe(ids[0]);
});

it('refuses an installation id that is none, rather than become another installation', async () => {
  const stateDir = await stateFolder();
  await writeFile(join(stateDir, 'installation-id'), 'db1\n');
  await expect(installationId(stateDir)).rejects.toMatchObject({ code: 'agent-state-unsupported' });
});

it('keeps a run’s scratch between attempts, and removes that run’s alone', async () => {
  const stateDir = await stateFolder();
  const path = await makeScratch(stateDir, 'one');
  await writeFile(join(path, 'segment'), 'x');
  await makeScratch(stateDir, 'two');
  expect(await readdir(await makeScratch(stateDir, 'one'))).toEqual(['segment']);
  await removeScratch(stateDir, 'one');
  await removeScratch(stateDir, 'one');
  expect(await readdir(join(stateDir, 'scratch'))).toEqual(['two']);
  await expect(makeScratch(stateDir, '../out')).rejects.toThrow(/broken promise/);
});

describe('the owners that an installation has seen', () => {
  const owner: Owner = {
    format: 1,
    generation: 2,
    agent: 'db2',
    installationId: 'an id',
    temporal: { clusterId: 'cluster', namespace: 'default' },
    timeline: '0002',
    claimedAtMs: 1,
  };

  it('are kept over a restart, the latest of each database', async () => {
    const stateDir = await stateFolder();
    const seen = createSeenOwners(stateDir);
    expect(await seen.recall('orders')).toBeUndefined();
    await seen.remember('orders', { ...owner, generation: 1 });
    await seen.remember('orders', owner);
    await seen.remember('billing', { ...owner, agent: 'db3' });
    const restarted = createSeenOwners(stateDir);
    expect([await restarted.recall('orders'), await restarted.recall('billing')]).toEqual([owner, { ...owner, agent: 'db3' }]);
  });

  it('are none where the file is damaged, and outlive a state directory that can’t be written in memory', async () => {
    const stateDir = await stateFolder();
    await mkdir(join(stateDir, 'orders'));
    await writeFile(join(stateDir, 'orders', 'seen-owner.json'), '{"format":1,');
    await writeFile(join(stateDir, 'billing'), 'a file where its folder should be');
    const seen = createSeenOwners(stateDir);
    expect(await seen.recall('orders')).toBeUndefined();
    await seen.remember('billing', owner);
    expect(await seen.recall('billing')).toEqual(owner);
  });
});
