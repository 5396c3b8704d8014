import { expect, it } from 'vitest';
import { pinWal, unpinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments, type StoredSegments } from '../../../../src/activities/backup/store-segments.ts';
import { recordDamage } from '../../../../src/store/facts.ts';
import { storeIn } from '../../../support/store-in.ts';
import { sidecarKey } from '../../../../src/core/repository/coded-name.ts';
import { parsePieceKey } from '../../../../src/core/repository/piece.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { DATABASE, keysOf, makeScene, replaceObject, runOf, type Scene, storedBytes } from '../scene.ts';

const where = { database: DATABASE, repository: 'local', timeline: '0001' };

async function store(scene: Scene, runId: string): Promise<StoredSegments> {
  const { fenceKey } = await pinWal(scene.deps)(where, runOf(runId));
  const stored = await storeSegments(scene.deps)({ ...where, fenceKey }, runOf(runId));
  await unpinWal(scene.deps)(where, runOf(runId));
  return stored;
}

type Stored = { scene: Scene; key: string; sound: Buffer };

/** One piece and its sidecar. */
async function stored(): Promise<Stored> {
  const scene = await makeScene();
  await scene.writeSegment(goldenSegment());
  await store(scene, 'first');
  const key = (await keysOf(scene.repository)).find((name) => name.endsWith('.wal.zst'))!;
  return { scene, key, sound: await storedBytes(scene.repository, key) };
}

const flipped = (bytes: Buffer): Buffer => Buffer.from(bytes.map((byte, index) => (index === bytes.length >> 1 ? byte ^ 1 : byte)));

it('a piece that a check has found damaged is stored again, and the damaged one is put aside', async () => {
  const { scene, key, sound } = await stored();
  await replaceObject(scene.repository, key, flipped(sound));
  await recordDamage(scene.repository, DATABASE, { key, label: 'a backup', runId: 'check', atMs: 1 });
  const { healed, warnings } = await store(scene, 'second');
  expect(healed).toBe(1);
  expect(warnings.map(({ code }) => code)).toEqual(['stored-again']);
  expect(await storedBytes(scene.repository, key)).toEqual(sound);
  expect(await storedBytes(scene.repository, `trash/second/${key}`)).toEqual(flipped(sound));
});

it('the newest piece is stored again where it has another size than its sidecar says', async () => {
  const { scene, key, sound } = await stored();
  await replaceObject(scene.repository, key, sound.subarray(0, 100));
  expect(await store(scene, 'second')).toMatchObject({ healed: 1 });
  expect(await storedBytes(scene.repository, key)).toEqual(sound);
});

it('a step that is tried again puts aside nothing that it has stored meanwhile', async () => {
  const { scene, key, sound } = await stored();
  await replaceObject(scene.repository, key, flipped(sound));
  await recordDamage(scene.repository, DATABASE, { key, label: 'a backup', runId: 'check', atMs: 1 });
  const { fenceKey } = await pinWal(scene.deps)(where, runOf('second'));
  const attempt = () => storeSegments(scene.deps)({ ...where, fenceKey }, runOf('second'));
  await attempt();
  await attempt();
  expect(await storedBytes(scene.repository, key)).toEqual(sound);
  expect(await storedBytes(scene.repository, `trash/second/${key}`)).toEqual(flipped(sound));
});

it('a damaged sidecar is made anew from its piece, with a warning', async () => {
  const { scene, key } = await stored();
  const piece = parsePieceKey(key)!;
  const sidecar = sidecarKey(piece.key);
  const sound = await storedBytes(scene.repository, sidecar);
  await replaceObject(scene.repository, sidecar, flipped(sound));
  const { healed, warnings } = await store(scene, 'second');
  expect([healed, warnings.map(({ code }) => code)]).toEqual([0, ['sidecar-remade']]);
  const remade = await (await storeIn(scene.repository)).pieces.sidecar(piece, { runId: 'later' });
  expect(remade).toEqual({ ...(JSON.parse(sound.toString()) as { content: object }).content, runId: 'second' });
});

it('a foreign file among the records of damage names nothing', async () => {
  const { scene } = await stored();
  await scene.repository.put(`databases/${DATABASE}/damage/.DS_Store`, Buffer.from('no record'));
  expect(await store(scene, 'second')).toMatchObject({ healed: 0, warnings: [] });
});
