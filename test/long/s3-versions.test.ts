/** A bucket with versions, in which somebody deletes and overwrites. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parsePieceKey } from '../../src/core/repository/piece.ts';
import { openS3Repository } from '../../src/io/repository/s3.ts';
import { restore } from '../../src/workflows/restore.ts';
import { keysOf } from '../suites/repository-under-test.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, directDeps, directEngine, expectSameWal } from '../support/direct-backup.ts';
import { makeOddSource, withClient, writeLarge } from '../support/odd-source.ts';
import { s3Settings } from '../support/s3-repository.ts';
import { lackForS3, type S3Server, startS3Server } from '../support/s3-server.ts';

const lack = lackForS3();

describe.skipIf(lack !== undefined)(`a bucket with versions${lack ?? ''}`, () => {
  let server: S3Server;
  let stack: DatabaseStack;
  let bucket: string;

  beforeAll(async () => {
    server = await startS3Server();
    bucket = await server.makeBucket({ versioned: true });
    stack = await makeOddSource({ segmentSizeMb: 1, repository: { ...s3Settings(server, bucket, { prefix: 'rstmdb' }) } });
    await withClient(stack.address, writeLarge);
  });
  afterAll(async () => {
    await stack.remove();
    await server.stop();
  });

  it('gives a restore what somebody has deleted, damaged or replaced', async () => {
    const manifest = await backUp(stack);
    const repository = await openS3Repository(s3Settings(server, bucket, { prefix: 'rstmdb' }));
    const keys = await keysOf(repository, '');
    const pieces = keys.filter((key) => parsePieceKey(key) !== undefined);
    expect(pieces.length).toBeGreaterThanOrEqual(3);
    const objectOf = (key: string) => ({ Bucket: bucket, Key: `rstmdb/${key}` });
    const [deleted = '', damaged = '', replaced = ''] = pieces;
    const other = await repository.read(pieces.at(-1)!, { sizeBytesMax: 16 * 1024 * 1024 });
    await server.client.send(new DeleteObjectCommand(objectOf(deleted)));
    await server.client.send(new DeleteObjectCommand(objectOf(`${deleted}.json`)));
    await server.client.send(new PutObjectCommand({ ...objectOf(damaged), Body: 'no longer a piece' }));
    await server.client.send(new PutObjectCommand({ ...objectOf(replaced), Body: other! }));
    const manifestKey = keys.find((key) => key.endsWith('/manifest.json')) ?? '';
    await server.client.send(new PutObjectCommand({ ...objectOf(manifestKey), Body: '{}' }));

    const folder = await mkdtemp(join(tmpdir(), 'rstow-s3-versions-'));
    try {
      const dataDir = join(folder, 'restored');
      const engine = directEngine({ deps: directDeps(stack), type: 'restore' });
      const restored = await restore({ database: DATABASE, backup: manifest.label, to: { dataDir } }, engine);
      expect(restored.rehearsal).toBe('passed');
      expect(restored.warnings.map(({ message }) => message)).toEqual([expect.stringContaining('and came from elsewhere') as string]);
      await expectSameWal(manifest, stack.walDir, join(dataDir, 'wal'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
