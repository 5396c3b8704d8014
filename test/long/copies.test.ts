/** One database with three repositories: what they do for each other when one is away, or holds something damaged. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateIdentity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { findCandidates } from '../../src/activities/recovery/recovery-candidates.ts';
import { suffixOf } from '../../src/core/repository/coded-name.ts';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { restore } from '../../src/workflows/restore.ts';
import { SEGMENT_ORDERS, writeFat, writeNoise } from '../support/aged-log.ts';
import { listBackups } from '../../src/workflows/list-backups.ts';
import type { Severity } from '../../src/core/protection/finding.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { checkNow, copyNow, directDeps, directEngine, expectSameWal, testRecoveryNow, verifyByReplay } from '../support/direct-backup.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { lackForS3, startS3Server } from '../support/s3-server.ts';
import { s3Settings } from '../support/s3-repository.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';

let folder: string;
let stack: DatabaseStack;

async function openStack(more: Record<string, object> = {}, others: Record<string, object> = {}): Promise<void> {
  const folders = Object.fromEntries(['near', 'far'].map((name) => [name, { kind: 'folder', path: join(folder, name), ...more[name] }]));
  for (const name of Object.keys(folders)) await mkdir(join(folder, name));
  const repositories = { ...folders, ...others };
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1', segmentSizeMb: 1, repositories, database: { quorum: 2 } });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-copies-'));
});
afterEach(async () => {
  await stack.remove();
  await rm(folder, { recursive: true });
});

const pathOf = (name: string): string => (name === 'local' ? stack.repositoryDir : join(folder, name));
const goesAway = (name: string): Promise<void> => rename(pathOf(name), `${pathOf(name)}-away`);
const comesBack = (name: string): Promise<void> => rename(`${pathOf(name)}-away`, pathOf(name));

async function write(prefix: string, count = 300): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

async function backUp(input: { repository?: string } = {}): Promise<HotBackupResult> {
  const deps = directDeps(stack);
  expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
  return hotBackup({ database: DATABASE, ...input }, directEngine({ deps, type: 'hotBackup' }));
}

/** Whatever every repository of a database is to have: without what is a repository's own. */
async function contentOf(name: string): Promise<Map<string, string>> {
  const own = /(^|\/)(rstow-repository\.json|\.tmp|plans|facts|damage|labels|trash)(\/|$)/;
  return new Map([...(await folderHashes(pathOf(name)))].filter(([path, hash]) => !own.test(path) && hash !== 'folder'));
}

/** What `rstow list` says of each backup, the newest first, and `rstow check` of the newest. */
async function expectCopies(severity: Severity, counts: readonly number[]): Promise<void> {
  const { backups, copiesWanted } = await listBackups(
    { database: DATABASE, repository: 'near' },
    directEngine({ deps: directDeps(stack), type: 'listBackups' }),
  );
  expect([copiesWanted, backups.map(({ copies }) => copies?.length)]).toEqual([3, counts]);
  const { findings } = await checkNow(stack);
  expect(findings.find(({ figures }) => figures?.['copiesWanted'] === 3)).toMatchObject({ severity, figures: { copiesStored: counts[0] } });
}

it('counts a backup that two of three have, fills the third by a copy later, and has the same in all of them', async () => {
  await openStack();
  await write('first');
  expect(await backUp()).toMatchObject({ outcome: 'done', copies: { stored: 3, wanted: 3, quorum: 2, failed: [] } });
  await goesAway('far');
  await write('second');
  const second = await backUp();
  expect(second).toMatchObject({
    repository: 'local',
    copies: { stored: 2, wanted: 3, failed: [{ repository: 'far', code: 'repository-unavailable' }] },
  });
  await comesBack('far');
  await goesAway('local');
  await write('third');
  const third = await backUp();
  expect(third).toMatchObject({ repository: 'near', copies: { stored: 2, wanted: 3, failed: [{ repository: 'local' }] } });
  expect(third.warnings.map(({ message }) => message.split(':')[0])).toContain('repository local was passed over, and near taken instead');
  await goesAway('far');
  await expect(backUp()).rejects.toMatchObject({ code: 'quorum-not-reached', details: { stored: 1, wanted: 3, quorum: 2 } });
  await comesBack('local');
  await expectCopies('critical', [1, 1, 2, 2]);
  await comesBack('far');
  const copied = await copyNow(stack);
  expect(copied).toMatchObject({ outcome: 'done', repositories: [{ repository: 'local', failures: [] }, { copied: 0 }, { failures: [] }] });
  const [local, near, far] = [await contentOf('local'), await contentOf('near'), await contentOf('far')];
  expect(local).toEqual(near);
  expect(far).toEqual(near);
  expect([...near.keys()].filter((key) => parsePieceKey(key) !== undefined).length).toBeGreaterThanOrEqual(3);
  await expectCopies('ok', [3, 3, 3, 3]);
  expect(await copyNow(stack)).toMatchObject({ repositories: [0, 1, 2].map(() => ({ copied: 0, repaired: 0, bytesStored: 0 })) });
});

const keyOfPiece = async (name: string, segment: number): Promise<string> => {
  const keys = [...(await contentOf(name)).keys()];
  return keys.find((key) => parsePieceKey(key)?.segment === segment) as string;
};

async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await writeFile(path, bytes);
}

/** Restores beside the data, and has something happen once the plan is made. */
async function restoreElsewhere(backup: string, toDataDir: string, afterPlan: () => Promise<unknown>): Promise<RestoreResult> {
  const engine = directEngine({ deps: directDeps(stack), type: 'restore' }, ({ stageWal }) => ({
    stageWal: async (input) => {
      await afterPlan();
      return stageWal(input);
    },
  }));
  return restore({ database: DATABASE, backup, to: { dataDir: toDataDir } }, engine);
}

it('restores what a repository loses in mid-restore from the next one, says so, and repairs it by the next copy', async () => {
  await openStack();
  await writeFat(stack.address, 3 * SEGMENT_ORDERS, 'a');
  const { label = '', stateDigest } = await backUp();
  const whole = await contentOf('local');
  const damaged = await keyOfPiece('local', 1);
  const lost = await keyOfPiece('local', 2);
  const target = join(folder, 'restored');
  const restored = await restoreElsewhere('latest', target, async () => {
    await flipByte(join(pathOf('local'), damaged));
    await rm(join(pathOf('local'), lost));
  });
  expect(restored).toMatchObject({ outcome: 'warnings', label, stateDigest, repository: 'local', rehearsal: 'passed' });
  expect(restored.served?.map(({ repository }) => repository)).toEqual(['local', 'near']);
  expect(restored.warnings).toMatchObject([
    { message: expect.stringMatching(/^2 segments could not be read from repository local/) as string },
  ]);
  const manifest = await (await directDeps(stack).openStore(DATABASE)).backups.read(label);
  await expectSameWal(manifest, stack.walDir, join(target, 'wal'));
  const copied = await copyNow(stack, { to: ['local'] });
  expect(copied).toMatchObject({ outcome: 'done', repositories: [{ repository: 'local', copied: 0, repaired: 2, failures: [] }] });
  expect(await contentOf('local')).toEqual(whole);
  expect(await (await directDeps(stack).openStore(DATABASE)).damage.known()).toEqual([]);
  const again = await restoreElsewhere(label, join(folder, 'again'), async () => undefined);
  expect(again).toMatchObject({ outcome: 'done', served: [{ repository: 'local' }] });
});

it('recovers and restores a backup that no repository has whole, from what each of them has', async () => {
  await openStack();
  await writeFat(stack.address, 3 * SEGMENT_ORDERS, 'a');
  const { label = '', stateDigest } = await backUp();
  for (const [index, name] of ['local', 'near', 'far'].entries()) await rm(join(pathOf(name), await keyOfPiece(name, index + 1)));
  const { usable } = await findCandidates(directDeps(stack))({ database: DATABASE });
  expect(usable.map((candidate) => [candidate.label, candidate.repository])).toEqual([[label, 'local']]);
  const restored = await restoreElsewhere('latest', join(folder, 'restored'), async () => undefined);
  expect(restored).toMatchObject({ label, stateDigest, served: [{ repository: 'local' }, { repository: 'near' }] });
  expect(await copyNow(stack)).toMatchObject({ repositories: [0, 1, 2].map(() => ({ copied: 0, repaired: 1, failures: [] })) });
});

it('goes on from the next repository when one goes away in mid-restore, and finds backups while it is away', async () => {
  await openStack();
  await writeFat(stack.address, 3 * SEGMENT_ORDERS, 'a');
  const { label = '', stateDigest } = await backUp();
  const target = join(folder, 'restored');
  const restored = await restoreElsewhere(label, target, () => goesAway('local'));
  expect(restored).toMatchObject({ label, stateDigest, repository: 'local', served: [{ repository: 'near' }] });
  const manifest = await (await directDeps(stack).openStore(DATABASE, 'near')).backups.read(label);
  await expectSameWal(manifest, stack.walDir, join(target, 'wal'));
  const latest = await restoreElsewhere('latest', join(folder, 'latest'), async () => undefined);
  expect(latest).toMatchObject({ label, stateDigest, repository: 'near' });
  expect(latest.warnings).toMatchObject([{ code: 'repository-unavailable' }]);
  expect(await testRecoveryNow(stack)).toMatchObject({ label, repository: 'near', stateDigest });
  await write('newest');
  const newest = await backUp();
  await comesBack('local');
  expect(await restoreElsewhere('latest', join(folder, 'newest'), async () => undefined)).toMatchObject({
    label: newest.label,
    repository: 'near',
  });
  await flipByte(join(pathOf('near'), `databases/${DATABASE}/backups/${newest.label}/manifest.json`));
  expect(await restoreElsewhere('latest', join(folder, 'other'), async () => undefined)).toMatchObject({
    label: newest.label,
    repository: 'far',
  });
});

/** An encrypted repository that this host can read. */
async function ageOf(name: string): Promise<object> {
  const identity = await generateIdentity();
  const file = join(folder, `${name}.agekey`);
  await writeFile(file, `${identity}\n`, { mode: 0o600 });
  return { encryption: { kind: 'age', recipients: [await identityToRecipient(identity)], identityFiles: [file] } };
}

it('copies between repositories that are encrypted for different keys, and each gives the same', async () => {
  await openStack({ near: await ageOf('near'), far: await ageOf('far') });
  await writeFat(stack.address, SEGMENT_ORDERS, 'a');
  const { label = '', copies } = await backUp();
  expect(copies).toMatchObject({ stored: 3, failed: [] });
  const manifest = await (await directDeps(stack).openStore(DATABASE)).backups.read(label);
  for (const name of ['near', 'far']) await verifyByReplay(stack, manifest, name);
  const suffixes = (await Promise.all(['near', 'far'].map(contentOf))).map((content) => new Set([...content.keys()].map(suffixOf)));
  expect(suffixes.map((of) => [...of].filter((suffix) => suffix !== undefined).length)).toEqual([1, 1]);
  expect(suffixes[0]).not.toEqual(suffixes[1]);
  const whole = new Set((await contentOf('local')).keys());
  for (const lost of ['wal', `backups/${label}`]) await rm(join(pathOf('local'), 'databases', DATABASE, lost), { recursive: true });
  expect(await copyNow(stack)).toMatchObject({ outcome: 'done', repositories: [{ repository: 'local' }, { copied: 0 }, { copied: 0 }] });
  expect(new Set((await contentOf('local')).keys())).toEqual(whole);
  await verifyByReplay(stack, manifest);
});

const BANDWIDTH_MS = 4_000;

it('keeps to its bandwidth', async () => {
  await openStack();
  await goesAway('far');
  await writeNoise(stack.address, 40);
  const { bytesStored = 0 } = await backUp();
  await comesBack('far');
  const beganAtMs = performance.now();
  const bytesPerSecond = Math.round((bytesStored * 1000) / BANDWIDTH_MS);
  const copied = await copyNow(stack, { to: ['far'], bytesPerSecond });
  const tookMs = performance.now() - beganAtMs;
  expect(copied.repositories[0]?.bytesStored).toBeGreaterThan(bytesStored);
  expect(tookMs).toBeGreaterThan(0.8 * BANDWIDTH_MS);
  expect(tookMs).toBeLessThan(1.2 * BANDWIDTH_MS);
});

it.skipIf(lackForS3() !== undefined)(
  'fills a bucket of S3, repairs it, and restores from it (needs versitygw; scripts/host-tools.sh)',
  async () => {
    const server = await startS3Server();
    try {
      await openStack({}, { bucket: s3Settings(server, await server.makeBucket()) });
      await writeFat(stack.address, 2 * SEGMENT_ORDERS, 'a');
      const { label = '', stateDigest, copies } = await backUp();
      expect(copies).toMatchObject({ stored: 4, wanted: 4, failed: [] });
      const bucket = await directDeps(stack).openStore(DATABASE, 'bucket');
      const manifest = await bucket.backups.read(label);
      await verifyByReplay(stack, manifest, 'bucket');
      const lost = await keyOfPiece('local', 1);
      await bucket.place.repository.deleteMany([lost, `${lost}.json`]);
      for (const name of ['local', 'near', 'far']) await goesAway(name);
      const target = join(folder, 'restored');
      await expect(restoreElsewhere('latest', target, async () => undefined)).rejects.toMatchObject({ code: 'missing-object' });
      for (const name of ['local', 'near', 'far']) await comesBack(name);
      expect(await copyNow(stack, { to: ['bucket'] })).toMatchObject({ repositories: [{ copied: 0, repaired: 1, failures: [] }] });
      for (const name of ['local', 'near', 'far']) await goesAway(name);
      expect(await restoreElsewhere('latest', target, async () => undefined)).toMatchObject({ label, stateDigest, repository: 'bucket' });
    } finally {
      await server.stop();
    }
  },
);
