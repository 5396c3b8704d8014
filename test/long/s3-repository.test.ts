import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { openS3Repository } from '../../src/io/repository/s3.ts';
import { mebibyte } from '../suites/repository-under-test.ts';
import { testRepository } from '../suites/repository-suite.ts';
import { s3Settings } from '../support/s3-repository.ts';
import { lackForS3, type S3Server, startS3Server } from '../support/s3-server.ts';

const lack = lackForS3();

describe.skipIf(lack !== undefined)(`S3${lack ?? ''}`, () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server.stop());

  testRepository({
    name: 's3',
    open: async () => {
      const bucket = await server.makeBucket();
      const fill = async (keys: readonly string[]): Promise<void> => {
        const root = server.folderOf(bucket);
        for (const folder of new Set(keys.map(dirname))) await mkdir(join(root, 'rstmdb', folder), { recursive: true });
        for (const key of keys) await writeFile(join(root, 'rstmdb', key), key);
      };
      const repository = await openS3Repository(s3Settings(server, bucket, { prefix: 'rstmdb' }));
      return { repository, fill, close: async () => Promise.resolve() };
    },
    streams: true,
    // Twice what is let through at once, 48 MiB (a connection may still hold what was sent), and a part on either side.
    heldBytesMax: 128 * mebibyte,
  });
});
