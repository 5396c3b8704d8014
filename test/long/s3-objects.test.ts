/** What only a repository in S3 does, on a real server. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { z } from 'zod';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Repository, StagedObject } from '../../src/io/repository/port.ts';
import { createS3Place } from '../../src/io/repository/s3-client.ts';
import { abortLeftUploads } from '../../src/io/repository/s3-keep.ts';
import { moveObject } from '../../src/io/repository/s3-move.ts';
import { putSealed, readSealed } from '../../src/io/repository/sealed-object.ts';
import { openS3Repository } from '../../src/io/repository/s3.ts';
import { retried } from '../../src/io/repository/wrap/retry.ts';
import { collect, contentOf, keysOf, mebibyte, text } from '../suites/repository-under-test.ts';
import { type MeddlingProxy, startMeddlingProxy } from '../support/meddling-proxy.ts';
import { s3Settings } from '../support/s3-repository.ts';
import { lackForS3, type S3Server, startS3Server } from '../support/s3-server.ts';

const lack = lackForS3();
const DAY_MS = 24 * 60 * 60 * 1000;
const PATIENCE = { triesMax: 5, firstWaitMs: 10 };
const unavailable = (what: string): object => ({ code: 'repository-unavailable', message: expect.stringContaining(what) as string });

const chunksOf = (bytes: Buffer): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / mebibyte) }, (_, index) => bytes.subarray(index * mebibyte, (index + 1) * mebibyte));

describe.skipIf(lack !== undefined)(`a repository in S3${lack ?? ''}`, () => {
  let server: S3Server;
  let proxy: MeddlingProxy;
  let bucket: string;

  beforeAll(async () => {
    server = await startS3Server();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    bucket = await server.makeBucket();
    proxy = await startMeddlingProxy(server.port);
  });
  afterEach(() => proxy.stop());

  const open = (): Promise<Repository> => openS3Repository(s3Settings(server, bucket));
  const openByProxy = (): Promise<Repository> =>
    openS3Repository(s3Settings(server, bucket, { endpoint: `http://127.0.0.1:${proxy.port}` }));
  const openUploads = async (): Promise<number> =>
    (await server.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads?.length ?? 0;

  async function stage(repository: Repository, key: string, bytes: Buffer): Promise<StagedObject> {
    const staged = await repository.stage(key);
    await pipeline(chunksOf(bytes), staged.sink);
    return staged;
  }

  it('lets one of two hosts win that put a key at once, also with what is sent in parts', async () => {
    const hosts = [await open(), await open()];
    for (const key of ['a', 'b', 'c']) {
      const outcomes = await Promise.all(hosts.map((host, index) => host.put(key, text(`by ${index}`))));
      expect(outcomes.toSorted()).toEqual(['exists', 'stored']);
      expect(await contentOf(hosts[0]!, key)).toBe(`by ${outcomes.indexOf('stored')}`);
    }
    const contents = hosts.map(() => randomBytes(20 * mebibyte));
    const staged = await Promise.all(hosts.map((host, index) => stage(host, 'big', contents[index]!)));
    expect(staged.map((one) => one.takes('other'))).toEqual([false, false]);
    const outcomes = await Promise.all(staged.map((one) => one.commit('big')));
    expect(outcomes.toSorted()).toEqual(['exists', 'stored']);
    await Promise.all(staged.map((one) => one.discard()));
    expect((await buffer((await hosts[0]!.openRead('big'))!)).equals(contents[outcomes.indexOf('stored')]!)).toBe(true);
    expect(await openUploads()).toBe(0);
  });

  it('knows by itself that a put whose answer was lost was its own', async () => {
    const repository = await openByProxy();
    const answersLost = (times: number): void => {
      let left = times;
      proxy.setMeddling((bytes, direction) => (direction === 'down' && left-- > 0 ? 'cut' : bytes));
    };
    answersLost(1);
    expect(await repository.put('a', text('one'))).toBe('stored');
    answersLost(1);
    expect(await repository.put('a', text('two'))).toBe('exists');
    expect(await contentOf(repository, 'a')).toBe('one');
  });

  it('sends what was changed on its way again, and finds what is not as it was stored', async () => {
    const repository = retried(await openByProxy(), PATIENCE);
    let changes = 0;
    proxy.setMeddling((bytes, direction) => {
      const at = direction === 'up' && changes === 0 ? bytes.indexOf('as it was') : -1;
      if (at === -1) return bytes;
      changes += 1;
      return Buffer.concat([bytes.subarray(0, at), Buffer.from('not so'), bytes.subarray(at + 6)]);
    });
    expect(await repository.put('a', text('as it was'))).toBe('stored');
    expect(changes).toBe(1);
    expect(await contentOf(repository, 'a')).toBe('as it was');

    const staged = await stage(repository, 'big', randomBytes(20 * mebibyte));
    await staged.commit('big');
    for (const key of ['a', 'big']) {
      const file = join(server.folderOf(bucket), key);
      const bytes = await readFile(file);
      bytes[5]! ^= 1;
      await writeFile(file, bytes);
      await expect(repository.openRead(key).then((stream) => buffer(stream!))).rejects.toMatchObject({ code: 'damaged-object' });
    }
    await expect(repository.read('a', { sizeBytesMax: 100 })).rejects.toMatchObject({ code: 'damaged-object' });
  });

  it('sends a part that failed again by itself, however often the library gave it up', async () => {
    const repository = await openByProxy();
    const parts: string[] = [];
    proxy.setMeddling((bytes, direction) => {
      const [, part] = (direction === 'up' && /PUT \S*partNumber=([0-9]+)/.exec(bytes.toString('latin1', 0, 300))) || [];
      if (part === undefined) return bytes;
      parts.push(part);
      return part === '2' && parts.filter((one) => one === '2').length <= 4 ? 'cut' : bytes;
    });
    const content = randomBytes(30 * mebibyte);
    const staged = await stage(repository, 'big', content);
    expect(await staged.commit('big')).toBe('stored');
    expect(parts.filter((part) => part === '2')).toHaveLength(5);
    for (const part of ['1', '3', '4']) expect(parts.filter((one) => one === part).length).toBeLessThan(3);
    expect((await buffer((await repository.openRead('big'))!)).equals(content)).toBe(true);
  });

  it('fails an object one of whose parts can’t be sent, and leaves nothing of it', { timeout: 60_000 }, async () => {
    const repository = await openByProxy();
    proxy.setMeddling((bytes, direction) =>
      direction === 'up' && /PUT \S*partNumber=2/.test(bytes.toString('latin1', 0, 300)) ? 'cut' : bytes,
    );
    const staged = await repository.stage('big');
    const sending = pipeline(chunksOf(randomBytes(40 * mebibyte)), staged.sink);
    await expect(sending).rejects.toMatchObject(unavailable('could not put part 2 of big: the connection was cut'));
    await staged.discard();
    expect(await keysOf(repository, '')).toEqual([]);
    expect(await openUploads()).toBe(0);
  });

  it('goes on with a stream that was cut in its middle', async () => {
    const content = randomBytes(20 * mebibyte);
    await (await stage(await open(), 'big', content)).commit('big');
    const bare = await openByProxy();
    let passedBytes = 0;
    let cuts = 0;
    proxy.setMeddling((bytes, direction) => {
      if (direction === 'down') passedBytes += bytes.length;
      if (passedBytes < 5 * mebibyte) return bytes;
      passedBytes = 0;
      cuts += 1;
      return 'cut';
    });
    await expect(bare.openRead('big').then((stream) => buffer(stream!))).rejects.toMatchObject(unavailable('the connection was cut'));
    const stream = await retried(bare, PATIENCE).openRead('big');
    expect((await buffer(stream!)).equals(content)).toBe(true);
    expect(cuts).toBeGreaterThanOrEqual(4);
  });

  it('throws away what an upload of a dead process has left, and no living one', async () => {
    const repository = await open();
    await server.client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: 'left' }));
    await open();
    expect(await openUploads()).toBe(1);
    await abortLeftUploads(await createS3Place(s3Settings(server, bucket)), 0);
    expect(await openUploads()).toBe(0);
    expect(await keysOf(repository, '')).toEqual([]);
  });

  it('moves an object that is too large for one copy in parts', async () => {
    const repository = await open();
    const content = randomBytes(12 * mebibyte);
    await (await stage(repository, 'big', content)).commit('big');
    await moveObject(await createS3Place(s3Settings(server, bucket)), { fromKey: 'big', toKey: 'trash/big' }, mebibyte);
    expect(await keysOf(repository, '')).toEqual(['trash/big']);
    expect((await buffer((await repository.openRead('trash/big'))!)).equals(content)).toBe(true);
    expect(await openUploads()).toBe(0);
  });

  it('keeps several repositories apart in one bucket', async () => {
    const [one, two] = await Promise.all(['one', 'one-more'].map((prefix) => openS3Repository(s3Settings(server, bucket, { prefix }))));
    await one!.put('a/b', text('1'));
    await two!.put('a/b', text('2'));
    expect(await keysOf(one!, '')).toEqual(['a/b']);
    expect(await contentOf(two!, 'a/b')).toBe('2');
  });

  describe('with object lock', () => {
    const objectLock = { mode: 'governance', days: 3 } as const;
    const lockOf = (key: string) => server.client.send(new HeadObjectCommand({ Bucket: bucket, Key: key }));

    it('keeps each object from deletion for as many days, and for longer if it is told to', async () => {
      bucket = await server.makeBucket({ objectLock: true });
      const repository = await openS3Repository(s3Settings(server, bucket, { objectLock }));
      await repository.put('a', text('one'));
      await (await stage(repository, 'big', randomBytes(10 * mebibyte))).commit('big');
      for (const key of ['a', 'big']) {
        const { ObjectLockMode, ObjectLockRetainUntilDate, VersionId } = await lockOf(key);
        expect(ObjectLockMode).toBe('GOVERNANCE');
        expect(Math.abs(ObjectLockRetainUntilDate!.getTime() - Date.now() - 3 * DAY_MS)).toBeLessThan(60_000);
        const deletion = server.client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key, VersionId }));
        await expect(deletion).rejects.toThrow();
      }
      const untilMs = Date.now() + 30 * DAY_MS;
      await repository.retainUntil?.(['a', 'absent'], untilMs);
      await repository.retainUntil?.(['a'], Date.now() + DAY_MS);
      expect(Math.abs((await lockOf('a')).ObjectLockRetainUntilDate!.getTime() - untilMs)).toBeLessThan(1000);
    });

    it('gives what was overwritten or deleted, the newest first', async () => {
      bucket = await server.makeBucket({ objectLock: true });
      const repository = await openS3Repository(s3Settings(server, bucket, { objectLock }));
      await repository.put('a', text('one'));
      await server.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a', Body: 'overwritten' }));
      await server.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a.b', Body: 'another' }));
      await repository.deleteMany(['a']);
      expect(await repository.openRead('a')).toBeUndefined();
      const versions = await collect(repository.versions!('a'));
      expect(versions.map(({ key }) => key)).toEqual(['a', 'a', 'a.b']);
      const contents = await Promise.all(versions.map(({ key, versionId }) => repository.read(key, { sizeBytesMax: 100, versionId })));
      expect(contents.map((bytes) => Buffer.from(bytes!).toString())).toEqual(['overwritten', 'one', 'another']);
      expect(await repository.read('a.b', { sizeBytesMax: 100, versionId: versions[0]!.versionId })).toBeUndefined();
      expect(await collect(repository.versions!('absent'))).toEqual([]);
    });

    it('lets a sealed object be read that somebody has overwritten, and none that was deleted', async () => {
      bucket = await server.makeBucket({ versioned: true });
      const repository = retried(await open(), PATIENCE);
      const schema = z.object({ name: z.string() });
      for (const key of ['a', 'b']) await putSealed(repository, key, { schema, value: { name: key } });
      for (const Body of ['{', '{"sha256": "00", "content": {}}\n']) {
        await server.client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a', Body }));
      }
      expect(await readSealed(repository, 'a', schema)).toEqual({ name: 'a' });
      await repository.deleteMany(['b']);
      expect(await readSealed(repository, 'b', schema)).toBeUndefined();
    });

    it('is refused in a bucket that was made without it', async () => {
      const opening = openS3Repository(s3Settings(server, bucket, { objectLock }));
      await expect(opening).rejects.toMatchObject({ code: 'invalid-config', message: expect.stringContaining('objectLock') as string });
    });
  });
});
