import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { databaseState, type DatabaseState, expectNothingLeft } from '../support/database-witness.ts';
import { expectFailure, expectNextBackupGoesWell, type FaultyScene, openFaultyScene } from '../support/faulty-scene.ts';
import { mountDisk, type MountedDisk } from '../support/mounted-disk.ts';

const MIB = 1024 * 1024;
const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)('on small disks (needs root)', () => {
  let on: FaultyScene;
  let dataDisk: MountedDisk;
  let repositoryDisk: MountedDisk;
  let before: DatabaseState;

  beforeAll(async () => {
    const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
    const prepare = async ({ dataDir, repositoryDir }: DatabaseStack): Promise<void> => {
      dataDisk = await mountDisk(dataDir, 40);
      repositoryDisk = await mountDisk(repositoryDir, 1);
    };
    on = await openFaultyScene(shared, { prepare });
    before = await databaseState(on.stack.dataDir);
    expect(before.servers).toHaveLength(1);
  });

  afterEach(async () => {
    await Promise.all([dataDisk.heal(), repositoryDisk.heal()]);
    // Whatever the disk was short of, the database is as it was and can be backed up.
    expect(await databaseState(on.stack.dataDir)).toEqual(before);
    await expectNothingLeft(on.stack.dataDir);
    await expectNextBackupGoesWell(on);
  });

  afterAll(async () => {
    // Nobody finds the server by its files once their disk is gone.
    await on.service.stop();
    for (const disk of [dataDisk, repositoryDisk]) disk.remove();
    await on.close();
  });

  it('a backup to a read-only repository says so', async () => {
    repositoryDisk.makeReadOnly();
    expectFailure(await on.rstow('backup', DATABASE), 'repository-unavailable', /read-only file system/);
  });

  it('a backup to a full repository says so at once, and leaves no half an object', async () => {
    await repositoryDisk.fill(0);
    const { exitCode, stdout, stderr } = await on.rstow('backup', DATABASE);
    expectFailure({ exitCode, stdout, stderr }, 'not-enough-space', /no space left on device/);
    expect(await readdir(join(on.stack.repositoryDir, '.tmp'))).toEqual([]);
  });

  it('a backup of more than the repository has room for leaves no half a piece, and goes well once there is room', async () => {
    await writeNoise(512 * 1024);
    before = await databaseState(on.stack.dataDir);
    const stored = await piecesAndManifests();
    expect(stored).not.toEqual([]);
    await repositoryDisk.fill(256 * 1024);
    expectFailure(await on.rstow('backup', DATABASE), 'not-enough-space', /no space left on device/);
    expect(await readdir(join(on.stack.repositoryDir, '.tmp'))).toEqual([]);
    expect(await piecesAndManifests()).toEqual(stored);
    await repositoryDisk.heal();
    on.backup = await on.scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    expect(on.backup.piecesStored).toBe(1);
  });

  /** An order that no compression makes smaller. */
  async function writeNoise(sizeBytes: number): Promise<void> {
    const { address } = on.stack;
    const client = await connectRstmdb({ address, tokenFile: on.tokenFile, connectTimeoutMs: 5000, requestTimeoutMs: 5000 });
    const ctxText = JSON.stringify({ noise: randomBytes(sizeBytes).toString('base64') });
    await createInstance(client, { id: 'noise', machine: 'order', version: 1, ctxText });
    await client.close();
  }

  async function piecesAndManifests(): Promise<string[]> {
    const paths = await readdir(on.stack.repositoryDir, { recursive: true });
    return paths.filter((path) => /\.wal\.zst|manifest\.json$/.test(path)).sort();
  }

  it('a read-only repository is verified all the same, with a warning that this is not remembered', async () => {
    repositoryDisk.makeReadOnly();
    const { exitCode, stdout, stderr } = await on.rstow('verify', DATABASE);
    expect(stdout).toContain(on.backup.stateDigest);
    expect(stderr).toMatch(/warning: repository-unavailable: the result of the verification could not be stored: .*read-only/);
    expect(exitCode).toBe(3);
  });

  it('a read-only repository is listed', async () => {
    repositoryDisk.makeReadOnly();
    const { exitCode, stdout } = await on.rstow('list', DATABASE);
    expect(stdout).toContain(on.backup.label);
    expect(exitCode).toBe(0);
  });

  it('a restore from a read-only repository touches nothing', async () => {
    repositoryDisk.makeReadOnly();
    expectFailure(await on.rstow('restore', DATABASE, '--yes'), 'repository-unavailable', /read-only file system/);
  });

  it('a restore in place without space for staging names the bytes, and touches nothing', async () => {
    await dataDisk.fill(8 * MIB);
    expectFailure(
      await on.rstow('restore', DATABASE, '--yes'),
      'not-enough-space',
      /\/data needs [0-9.]+ [kMG]?B of free space and has [0-9.]+ [kMG]?B/,
    );
  });

  it('a restore to a disk that is too small makes nothing there', async () => {
    const folder = await mkdtemp('/var/tmp/rstow-target-');
    const disk = await mountDisk(folder, 1);
    try {
      const target = join(folder, 'restored');
      expectFailure(await on.rstow('restore', DATABASE, '--to-dir', target), 'not-enough-space', /needs [0-9.]+ [kMG]?B of free space/);
      expect(await readdir(folder)).toEqual([]);
    } finally {
      disk.remove();
      await Promise.all([folder, `${folder}.disk`].map((path) => rm(path, { recursive: true })));
    }
  });
});
