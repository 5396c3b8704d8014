/** The whole way of encrypted backups: hot backup, archive, a point in time, a burnt host; and then docs/recovery.md alone, by a shell. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { suffixOf } from '../../src/core/repository/coded-name.ts';
import { DATABASE, type DatabaseStack, stackOf } from '../support/database-stack.ts';
import { startArchive } from '../support/direct-archive.ts';
import { backUp, recoverElsewhere, verifyByReplay } from '../support/direct-backup.ts';
import { recoverOnto, rotateNow } from '../support/direct-recovery.ts';
import { newAgeKey, newPassphrase, secretFolder } from '../support/encryption-keys.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, writeOrders } from '../support/odd-source.ts';
import { lackForS3, type S3Server, startS3Server } from '../support/s3-server.ts';
import { makeStandbyHost } from '../support/standby-host.ts';

const QUICK_ARCHIVE = { enabled: true, intervalMs: 100, tidyMs: 400 };
const PREFIX = 'backups/rstmdb';

/** An encrypted repository, and how the page gets at its objects. */
type Encrypted = {
  repository: Record<string, unknown>;
  /** With new keys, and the old ones to open with. */
  rotated: Record<string, unknown>;
  /** Of the page's scripts. */
  env: Record<string, string>;
  suffix: RegExp;
  /** Brings the repository into a folder. */
  fetchInto: (stack: DatabaseStack, folder: string) => Promise<void>;
};

let s3: S3Server | undefined;

beforeAll(async () => {
  if (lackForS3() === undefined) s3 = await startS3Server();
});

afterAll(() => s3?.stop());

describe.each([
  { name: `S3 and age${lackText()}`, make: s3WithAge, skip: lackForS3() !== undefined },
  { name: 'a folder and GPG', make: folderWithGpg, skip: false },
])('on $name', ({ make, skip }) => {
  test.skipIf(skip)('every step gives the same state, the recovery page alone does, and the keys are rotated', async () => {
    const { repository, rotated, env, suffix, fetchInto } = await make(await secretFolder());
    const stack = await oddSource({ segmentSizeMb: 1, repository, database: { archive: QUICK_ARCHIVE } });
    await writeOrders(stack.address, 20, 'first');
    const backup = await backUp(stack);
    const archive = await startArchive(stack);
    await writeOrders(stack.address, 20, 'second');
    const atThePoint = await sourceDigest(stack);
    await writeOrders(stack.address, 20, 'third');
    await archive.looked();
    const atTheEnd = await sourceDigest(stack);

    const target = { before: { instance: 'third-0', record: 'create' as const } };
    const point = await recoverElsewhere(stack, { target }, join(await scratchFolder(), 'point'));
    expect(point).toMatchObject({ stateDigest: atThePoint });

    await archive.stop();
    const fetched = join(await scratchFolder(), 'repository');
    await fetchInto(stack, fetched);
    await expectAllEncrypted(fetched, suffix);

    await stack.service.stop();
    await rm(stack.dataDir, { recursive: true });
    const host = await makeStandbyHost(stack);
    onTestFinished(() => host.remove());
    expect(await recoverOnto(host)).toMatchObject({ outcome: 'warnings', stateDigest: atTheEnd, agent: 'db2', generation: 2 });
    expect(await sourceDigest(host)).toBe(atTheEnd);

    const dataDir = join(await scratchFolder(), 'by-hand');
    await followPage([fetched, DATABASE, backup.label, dataDir], [fetched, DATABASE, backup.timeline, dataDir], env);
    expect(await expectSound(stack, dataDir)).toBe(atTheEnd);

    const { folder, repositoryDir } = host;
    const repositories = { local: { ...(stack.plain.repositories['local'] as object), ...rotated } };
    const renewed = await stackOf({ ...host.plain, repositories }, { folder, dataDir: host.dataDir, repositoryDir });
    expect(await rotateNow(renewed)).toMatchObject({ outcome: 'done', failed: 0, left: [] });
    await verifyByReplay(renewed, backup);
  });
});

async function s3WithAge(folder: string): Promise<Encrypted> {
  const server = s3 as S3Server;
  const bucket = await server.makeBucket();
  const [own, next] = [await newAgeKey(folder), await newAgeKey(folder)];
  const encryption = { kind: 'age', recipients: [own.recipient], identityFiles: [own.file] };
  return {
    repository: { kind: 's3', bucket, prefix: PREFIX, endpoint: server.endpoint, credentialsFile: server.credentialsFile, encryption },
    rotated: { encryption: { kind: 'age', recipients: [next.recipient], identityFiles: [next.file, own.file] } },
    env: { AGE_IDENTITY: own.file },
    suffix: /\.zst\.[0-9a-f]{8}\.age$/,
    fetchInto: (_stack, to) => fetchBucket(server, bucket, to),
  };
}

async function folderWithGpg(folder: string): Promise<Encrypted> {
  const [{ file: passphraseFile }, { file: nextFile }] = [await newPassphrase(folder), await newPassphrase(folder)];
  return {
    repository: { encryption: { kind: 'gpg', passphraseFile } },
    rotated: { encryption: { kind: 'gpg', passphraseFile: nextFile, formerPassphraseFiles: [passphraseFile] } },
    env: { GPG_PASSPHRASE_FILE: passphraseFile },
    suffix: /\.zst\.[0-9a-f]{8}\.gpg$/,
    fetchInto: ({ repositoryDir }, to) => cp(repositoryDir, to, { recursive: true }),
  };
}

/** By the page's own command; where there is no rclone, what the server keeps as files. */
async function fetchBucket({ endpoint, credentials, folderOf }: S3Server, bucket: string, to: string): Promise<void> {
  const hasRclone = await promisify(execFile)('rclone', ['version']).then(
    () => true,
    () => false,
  );
  if (!hasRclone) return cp(join(folderOf(bucket), PREFIX), to, { recursive: true });
  const [, block = ''] = /^```sh\n(export RCLONE[^]*?)^```$/m.exec(await page()) ?? [];
  const { accessKeyId, secretAccessKey } = credentials;
  const places = { ENDPOINT: endpoint, BUCKET: bucket, PREFIX, REPOSITORY: to };
  const env = { ...places, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
  await promisify(execFile)('sh', ['-euc', block], { env: { PATH: process.env['PATH'], HOME: await scratchFolder(), ...env } });
}

/** Every object that isn't JSON ends as the keys say, and holds nothing that zstd could read. */
async function expectAllEncrypted(repositoryDir: string, suffix: RegExp): Promise<void> {
  const names = (await readdir(join(repositoryDir, 'databases'), { recursive: true })).filter((name) => suffixOf(name) !== undefined);
  expect(names.length).toBeGreaterThan(2);
  for (const name of names) {
    expect(name).toMatch(suffix);
    expect((await readFile(join(repositoryDir, 'databases', name))).indexOf('28b52ffd', 0, 'hex'), name).not.toBe(0);
  }
}

/** The two scripts of the page, in a folder of their own. */
async function followPage(restoreArgs: string[], appendArgs: string[], env: Record<string, string>): Promise<void> {
  const scripts = [...(await page()).matchAll(/^```sh\n(#!\/bin\/sh\n[^]*?)^```$/gm)].map((match) => match[1] ?? '');
  const folder = await scratchFolder();
  await mkdir(folder, { recursive: true });
  for (const [index, args] of [restoreArgs, appendArgs].entries()) {
    const file = join(folder, `${index}.sh`);
    await writeFile(file, scripts[index] ?? '');
    await promisify(execFile)('sh', [file, ...args], { env: { PATH: process.env['PATH'], HOME: folder, ...env } });
  }
}

const page = (): Promise<string> => readFile(new URL('../../docs/recovery.md', import.meta.url), 'utf8');

function lackText(): string {
  const lack = lackForS3();
  return lack === undefined ? '' : ` ${lack}`;
}
