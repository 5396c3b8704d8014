import { expect, it } from 'vitest';
import { readProtection } from '../../../../src/activities/catalogue/protection-facts.ts';
import { ownerKey } from '../../../../src/core/repository/object-keys.ts';
import { ownerSchema } from '../../../../src/formats/repository/history.ts';
import { createMemoryRepository } from '../../../../src/io/repository/memory.ts';
import { putSealed } from '../../../../src/io/repository/sealed-object.ts';
import { signingBy } from '../../../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../../../src/io/signing/ssh-key.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { createTimeline } from '../../../../src/store/timelines.ts';
import { manifest } from '../../config/a-manifest.ts';
import { checkedOf } from '../../../../src/activities/catalogue/checked.ts';
import { DATABASE, firstTimeline, keysOf, makeScene, OWNER, replaceObject } from '../scene.ts';

const [OLDER, NEWER] = ['20261124T101500Z-hot', '20261124T103000Z-hot'];

it('counts a backup that has failed a later check for unverified, until one holds again', async () => {
  const { deps, repository } = await makeScene();
  for (const [index, label] of [OLDER, NEWER].entries()) {
    await putManifest(repository, { ...manifest, label, runId: label, writtenAtMs: manifest.writtenAtMs + index });
  }
  const verify = async (label: string, atMs: number, held: boolean): Promise<void> => {
    const { facts } = await deps.openStore(DATABASE);
    const failure = held ? undefined : { code: 'damaged-object', sentence: 'a piece has rotted' };
    await facts.recordVerification({ label, atMs, runId: `run-${atMs}`, level: 'replay', held, failure });
  };
  const unverified = async (): Promise<number | null> => (await readProtection(await deps.openStore(DATABASE))).unverifiedSinceMs;
  expect(await unverified()).toBe(manifest.writtenAtMs);
  await verify(OLDER, 1_000_000_000_001, true);
  expect(await unverified()).toBe(manifest.writtenAtMs + 1);
  await verify(NEWER, 1_000_000_000_002, true);
  expect(await unverified()).toBeNull();
  await verify(NEWER, 1_000_000_000_003, false);
  expect(await unverified()).toBe(manifest.writtenAtMs + 1);
  await verify(NEWER, 1_000_000_000_004, true);
  expect(await unverified()).toBeNull();
});

it('calls no backup of a history that was left the newest', async () => {
  const { deps, repository } = await makeScene();
  const left = await createTimeline(repository, DATABASE, { ...firstTimeline, runId: 'left' });
  await putSealed(repository, ownerKey(DATABASE, 1), { schema: ownerSchema, value: OWNER });
  await putManifest(repository, { ...manifest, label: OLDER, runId: OLDER });
  await putManifest(repository, {
    ...manifest,
    label: NEWER,
    runId: NEWER,
    timeline: left.timeline,
    writtenAtMs: manifest.writtenAtMs + 1,
  });
  const { newest } = await readProtection(await deps.openStore(DATABASE));
  expect(newest).toMatchObject([{ backupKind: 'hot', label: OLDER }]);
});

it.each([false, true])('counts a check for failed whose record has rotted, unless signatures are required: %s', async (isRequired) => {
  const signing = signingBy(signingKeyOf(newPrivateKeyText(), 'own.key'), isRequired ? [] : undefined);
  const { deps, repository } = await makeScene({ ...createMemoryRepository(), signing });
  const store = await deps.openStore(DATABASE);
  const failure = { code: 'damaged-object', sentence: 'a piece has rotted' };
  const check = { label: OLDER, runId: 'run', level: 'replay', failure } as const;
  const checks = async (): ReturnType<typeof checkedOf> => checkedOf(store, await store.facts.of(OLDER));
  await store.facts.recordVerification({ ...check, atMs: 1_000_000_000_001, held: false });
  expect(await checks()).toEqual({ hasHeld: false, hasFailed: true });
  for (const key of await keysOf(repository, `databases/${DATABASE}/facts/`)) await replaceObject(repository, key, Buffer.from('rot'));
  expect(await checks()).toEqual({ hasHeld: false, hasFailed: !isRequired });
  await store.facts.recordVerification({ ...check, atMs: 1_000_000_000_002, held: true, failure: undefined });
  expect(await checks()).toEqual({ hasHeld: true, hasFailed: false });
});
