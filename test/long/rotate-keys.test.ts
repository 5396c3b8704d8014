/** Keys are rotated while everything else goes on, and between all kinds of encryption. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RotateKeysResult } from '../../src/contract/rotate-keys.ts';
import { suffixOf } from '../../src/core/repository/coded-name.ts';
import { DATABASE, type DatabaseStack, stackOf } from '../support/database-stack.ts';
import { backUp, restoreElsewhere, verifyByReplay } from '../support/direct-backup.ts';
import { rotateNow } from '../support/direct-recovery.ts';
import { type AgeKey, newAgeKey, newPassphrase, secretFolder } from '../support/encryption-keys.ts';
import { oddSource, scratchFolder, sourceDigest, writeOrders } from '../support/odd-source.ts';
import { openSceneWithoutAgent } from '../support/scene.ts';

async function twoKeys(): Promise<[older: AgeKey, newer: AgeKey]> {
  const folder = await secretFolder();
  return [await newAgeKey(folder), await newAgeKey(folder)];
}

const byAge = ({ recipient }: AgeKey, ...held: AgeKey[]) => ({
  kind: 'age',
  recipients: [recipient],
  identityFiles: held.map(({ file }) => file),
});

/** The same host, whose repository has these settings now. */
async function withSettings(stack: DatabaseStack, settings: object): Promise<DatabaseStack> {
  const { folder, dataDir, repositoryDir } = stack;
  const repositories = { local: { kind: 'folder', path: repositoryDir, ...settings } };
  return stackOf({ ...stack.plain, repositories }, { folder, dataDir, repositoryDir });
}

/** How the names of coded objects end, each once. */
async function suffixesOf({ repositoryDir }: DatabaseStack): Promise<string[]> {
  const names = await readdir(join(repositoryDir, 'databases'), { recursive: true });
  return [...new Set(names.flatMap((name) => suffixOf(name) ?? []))].sort();
}

it('rotates twice at once while backups, a verification and restores go on', async () => {
  const [older, newer] = await twoKeys();
  const stack = await oddSource({ segmentSizeMb: 1, repository: { encryption: byAge(older, older) } });
  await writeOrders(stack.address, 30, 'first');
  const first = await backUp(stack);
  await writeOrders(stack.address, 30, 'second');
  const second = await backUp(stack);
  const rotating = await withSettings(stack, { encryption: byAge(newer, newer, older) });
  const meanwhile = async (): Promise<void> => {
    for (const backup of [first, second]) await verifyByReplay(rotating, backup);
    await restoreElsewhere(rotating, first.label, join(await scratchFolder(), 'restored'));
    await writeOrders(stack.address, 5, 'meanwhile');
    await backUp(rotating);
  };
  const [one, other] = await Promise.all([rotateNow(rotating), rotateNow(rotating), meanwhile()]);
  for (const result of [one, other]) expect(result).toMatchObject({ failed: 0, left: [], warnings: [] });
  expect(await suffixesOf(stack)).toEqual([one.suffix]);
  await rm(older.file);
  const alone = await withSettings(stack, { encryption: byAge(newer, newer) });
  for (const backup of [first, second]) await verifyByReplay(alone, backup);
  const third = await backUp(alone);
  expect(third.stateDigest).toBe(await sourceDigest(stack));
  await verifyByReplay(alone, third);
  expect(await rotateNow(alone)).toMatchObject({ outcome: 'not-needed' });
});

it('encrypts what was plain, changes from age to GPG, and makes everything plain again', async () => {
  const key = await newAgeKey(await secretFolder());
  const gpg = { kind: 'gpg', passphraseFile: (await newPassphrase(await secretFolder())).file };
  const stack = await oddSource({ segmentSizeMb: 1 });
  await writeOrders(stack.address, 10, 'first');
  const backup = await backUp(stack);
  const turns = [
    { settings: { encryption: byAge(key, key) }, ends: /\.age$/ },
    { settings: { encryption: gpg, formerEncryption: byAge(key, key) }, ends: /\.gpg$/ },
    { settings: { formerEncryption: gpg }, ends: /\.zst$/ },
  ];
  for (const { settings, ends } of turns) {
    const host = await withSettings(stack, settings);
    expect(await rotateNow(host)).toMatchObject({ outcome: 'done', failed: 0, left: [], suffix: expect.stringMatching(ends) as string });
    await verifyByReplay(host, backup);
  }
  await verifyByReplay(await withSettings(stack, {}), backup);
  expect(await readdir(join(stack.repositoryDir, 'keys'))).toEqual([]);
});

it('says which key is missing before it writes anything, and names what is damaged', async () => {
  const [older, newer] = await twoKeys();
  const stack = await oddSource({ segmentSizeMb: 1, repository: { encryption: byAge(older, older) } });
  await writeOrders(stack.address, 10, 'first');
  await backUp(stack);
  const blind = await withSettings(stack, { encryption: byAge(newer, newer) });
  await expect(rotateNow(blind)).rejects.toMatchObject({ code: 'wrong-key' });
  await expect(rotateNow(await withSettings(stack, { encryption: byAge(newer, older) }))).rejects.toMatchObject({ code: 'wrong-key' });
  expect(await suffixesOf(stack)).toHaveLength(1);
  const names = await readdir(join(stack.repositoryDir, 'databases'), { recursive: true });
  const damaged = join(
    'databases',
    names.find((name) => /\/wal\/.*\.age$/.test(name))!,
  );
  await writeFile(join(stack.repositoryDir, damaged), 'age-encryption.org/v1\nno more');
  const result = await rotateNow(await withSettings(stack, { encryption: byAge(newer, newer, older) }));
  expect(result).toMatchObject({ outcome: 'warnings', failed: 1, left: [{ objects: 1 }] });
  expect(result.warnings).toEqual([
    { code: expect.stringMatching(/-object$/) as string, message: expect.stringContaining(damaged) as string },
  ]);
});

it('gets what a forgotten agent has stored under the old keys meanwhile, and names what keeps coming', async () => {
  const [older, newer] = await twoKeys();
  const forgotten = await oddSource({ segmentSizeMb: 1, repository: { encryption: byAge(older, older) } });
  await writeOrders(forgotten.address, 10, 'first');
  await backUp(forgotten);
  const host = await withSettings(forgotten, { encryption: byAge(newer, newer, older) });
  const storeMore = async (prefix: string): Promise<void> => {
    await writeOrders(forgotten.address, 3, prefix);
    await backUp(forgotten);
  };
  let batches = 0;
  const once = await rotateNow(host, { afterBatch: async () => (batches += 1) === 1 && storeMore('once') });
  expect(once).toMatchObject({ outcome: 'done', left: [] });
  await storeMore('again');
  const named = await rotateNow(host, { afterBatch: () => storeMore(`named-${(batches += 1)}`) });
  expect(named).toMatchObject({ outcome: 'warnings', warnings: [{ code: 'old-keys-in-use' }] });
  expect(named.warnings[0]?.message).toMatch(/such as databases\/orders\/.*\.age: an agent still has the old keys/);
});

it('is a run of Temporal that the agent of the config does', async () => {
  const [older, newer] = await twoKeys();
  const services = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  const scene = await openSceneWithoutAgent(services, { repository: { encryption: byAge(older, older) } });
  onTestFinished(() => scene.close());
  const first = await scene.startAgent(scene.stack.configFile);
  await writeOrders(scene.stack.address, 10);
  const { label } = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  await first.kill('SIGKILL');
  const { plain } = await withSettings(scene.stack, { encryption: byAge(newer, newer, older) });
  await writeFile(scene.stack.configFile, stringify(plain));
  await scene.startAgent(scene.stack.configFile);
  const result = await scene.temporal.execute<RotateKeysResult>('rotateKeys', { database: DATABASE });
  expect(result).toMatchObject({ outcome: 'done', agent: 'db1', repository: 'local', failed: 0, left: [] });
  expect(await suffixesOf(scene.stack)).toEqual([result.suffix]);
  expect(await scene.temporal.execute('verifyBackup', { database: DATABASE, backup: label })).toMatchObject({ outcome: 'done' });
});
