/** Copies that somebody else's step comes between: a copier that died, a rotation of keys. */
import { Readable } from 'node:stream';
import { expect, it, onTestFinished, vi } from 'vitest';
import { storeBytes } from '../../../src/activities/backup/piece-store.ts';
import { sidecarKey } from '../../../src/core/repository/coded-name.ts';
import type { Piece } from '../../../src/core/repository/piece.ts';
import { makeSegmentId } from '../../../src/core/wal/wal-offset.ts';
import { sidecarSchema } from '../../../src/formats/repository/piece.ts';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import type { Coding } from '../../../src/io/coding/port.ts';
import { createMemoryRepository } from '../../../src/io/repository/memory.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { putSealed } from '../../../src/io/repository/sealed-object.ts';
import { createBandwidth } from '../../../src/store/bandwidth.ts';
import { putManifest } from '../../../src/store/backups.ts';
import { copyBackups } from '../../../src/store/copy/copy-backups.ts';
import { type Between, copyPiece } from '../../../src/store/copy/copy-object.ts';
import type { Copying } from '../../../src/store/copy/filling.ts';
import type { Store } from '../../../src/store/store.ts';
import { manifest } from '../config/a-manifest.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { storeIn } from '../../support/store-in.ts';
import { ageKeys } from './age-keys.ts';

const bytes = goldenSegment();
const run = { runId: 'copy', signal: new AbortController().signal };

async function openStore(repository: Repository, coding: Coding = zstdCoding): Promise<Store> {
  const store = await storeIn(repository, 'orders', { installationId: 'one', coding });
  await store.timelines.create({ generation: 1, parent: null, why: 'first', runId: 'claim', createdAtMs: 1 });
  return store;
}

async function storedPiece(store: Store): Promise<Piece> {
  const source = { startBytes: 0, targetBytes: bytes.length, signal: run.signal, bytes: () => Readable.from([bytes]) };
  await storeBytes({ store, timeline: '0001', runId: 'backup' }, makeSegmentId(1)!, source);
  const [piece] = await store.pieces.of('0001');
  return piece!;
}

const between = (source: Store, target: Store): Between => ({
  source,
  place: 0,
  target,
  bandwidth: createBandwidth(undefined),
  run,
  isDamaged: () => false,
});

it('copies a piece again, however often a copy of the same run died before its sidecar', async () => {
  const [repository, source] = [createMemoryRepository(), await openStore(createMemoryRepository())];
  const [piece, target] = [await storedPiece(source), await openStore(repository)];
  for (let deaths = 0; deaths < 3; deaths += 1) {
    expect(await copyPiece(between(source, target), piece)).toMatchObject({ isStored: true });
    await repository.deleteMany([sidecarKey(piece.key)]);
  }
  await copyPiece(between(source, target), piece);
  expect(await target.pieces.check(piece, run, run.signal)).toMatchObject({ sha256: expect.any(String) as string });
  const aside: string[] = [];
  for await (const key of repository.keys('trash/')) aside.push(key);
  expect(aside).toHaveLength(3);
});

/** The same repository: before the first put of a key that ends so, something else happens. */
function interrupted(repository: Repository, end: string, meanwhile: (key: string) => Promise<unknown>): Repository {
  let isFirst = true;
  return {
    ...repository,
    put: async (key, content) => {
      if (key.endsWith(end) && isFirst) {
        isFirst = false;
        await meanwhile(key);
      }
      return repository.put(key, content);
    },
  };
}

it('leaves the sidecar of what lies there, if two copy an object at once and each has its own bytes of it', async () => {
  const { older } = await ageKeys();
  const [repository, source] = [createMemoryRepository(), await openStore(createMemoryRepository())];
  const [piece, faster] = [await storedPiece(source), await openStore(repository, older)];
  const slow = interrupted(repository, '.age.json', () => copyPiece(between(source, faster), piece));
  await copyPiece(between(source, await storeIn(slow, 'orders', { installationId: 'one', coding: older })), piece);
  const [copy] = await faster.pieces.of('0001');
  expect(await faster.pieces.check(copy!, run, run.signal)).toMatchObject({ storedBytes: expect.any(Number) as number });
});

it('replaces the sidecar of another copier whose object it has taken for that of a dead one', async () => {
  const { older } = await ageKeys();
  const [repository, source] = [createMemoryRepository(), await openStore(createMemoryRepository())];
  const [piece, target] = [await storedPiece(source), await openStore(repository, older)];
  const value = { ...(await source.pieces.sidecar(piece, run)), storedBytes: 1, storedSha256: 'ab'.repeat(32) };
  const raced = interrupted(repository, '.age.json', (key) => putSealed(repository, key, { schema: sidecarSchema, value }));
  await copyPiece(between(source, await storeIn(raced, 'orders', { installationId: 'one', coding: older })), piece);
  const [copy] = await target.pieces.of('0001');
  expect(await target.pieces.check(copy!, run, run.signal)).toMatchObject({ storedBytes: expect.any(Number) as number });
});

/** A backup of one piece, which the target is known to hold damaged. */
async function damagedCopy(): Promise<{ copying: Copying; piece: Piece; sha256: string }> {
  const [kept, repository] = [createMemoryRepository(), createMemoryRepository()];
  const [source, target] = [await openStore(kept), await openStore(repository)];
  const piece = await storedPiece(source);
  const { records, sha256 } = await source.pieces.sidecar(piece, run);
  const range = { timeline: '0001', startBytes: 0, endBytes: piece.endBytes, sha256, records };
  const backup = { ...manifest, attachments: [], segments: [{ segment: piece.segment, ranges: [range] }] };
  await putManifest(kept, backup);
  await copyPiece(between(source, target), piece);
  await repository.move(piece.key, 'elsewhere/damaged');
  await repository.put(piece.key, Buffer.from('damaged'));
  await target.damage.record({ key: piece.key, atMs: 1, runId: 'check' });
  const progress = { begins: () => undefined, copied: () => undefined };
  const [bandwidth, untilMs] = [createBandwidth(undefined), Number.POSITIVE_INFINITY];
  return { copying: { sources: [source], target, backup: { label: backup.label }, bandwidth, run, untilMs, progress }, piece, sha256 };
}

it('stores again, and counts only then, what a backup needs and the target is known to hold damaged', async () => {
  const { copying, piece, sha256 } = await damagedCopy();
  expect(await copyBackups(copying)).toMatchObject({ repaired: 1, copied: 1, failures: [] });
  expect(await copying.target.pieces.check(piece, run, run.signal)).toMatchObject({ sha256 });
  expect(await copying.target.damage.known()).toEqual([]);
});

it('does not repair in the next turn what it has repaired in this one', async () => {
  const { copying } = await damagedCopy();
  vi.useFakeTimers({ toFake: ['Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const untilMs = Date.now() + 1000;
  const progress = { begins: () => undefined, copied: () => void vi.setSystemTime(untilMs) };
  expect(await copyBackups({ ...copying, untilMs, progress })).toMatchObject({ isUnfinished: true, repaired: 1 });
  expect(await copyBackups(copying)).toMatchObject({ isUnfinished: false, repaired: 0, copied: 1 });
});

it('lets the target say whose keys they are before a piece counts that was encrypted elsewhere', async () => {
  const { older } = await ageKeys();
  const [repository, source] = [createMemoryRepository(), await openStore(createMemoryRepository(), older)];
  const steps: string[] = [];
  const announce = async (): Promise<void> => Promise.resolve(void steps.push('announced'));
  const watched = interrupted(repository, '.age.json', async () => Promise.resolve(steps.push('sidecar')));
  const target = await storeIn(watched, 'orders', { installationId: 'one', coding: { ...older, announce } });
  expect(await copyPiece(between(source, target), await storedPiece(source))).toMatchObject({ isStored: true });
  expect(steps).toEqual(['announced', 'sidecar']);
});

it('copies a piece whose keys were rotated since it was listed', async () => {
  const { older, rotating } = await ageKeys();
  const [kept, repository] = [createMemoryRepository(), createMemoryRepository()];
  const piece = await storedPiece(await openStore(kept, older));
  const source = await storeIn(kept, 'orders', { installationId: 'one', coding: rotating });
  const { objects } = await source.rotation.batch({ objectsMax: 10 });
  const renewed = await source.rotation.renew(objects[0]!, run);
  await source.rotation.retire([renewed!], run.signal);
  const target = await openStore(repository);
  expect(await copyPiece(between(source, target), piece)).toMatchObject({ isStored: true });
  const [copy] = await target.pieces.of('0001');
  expect(copy!.key).toMatch(/\.wal\.zst$/);
  const { sha256 } = await source.pieces.sidecar({ ...piece, key: renewed!.renewedKey }, run);
  expect(await target.pieces.check(copy!, run, run.signal)).toMatchObject({ sha256 });
});
