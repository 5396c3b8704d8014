import { expect, it } from 'vitest';
import { readProtection } from '../../../../src/activities/catalogue/protection-facts.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, makeScene } from '../scene.ts';

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
