import { copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolderRepository } from '../../../../src/io/repository/folder.ts';
import { openRepository } from '../../../../src/io/repository/header.ts';
import type { Repository } from '../../../../src/io/repository/port.ts';
import { testRepository } from '../../../suites/repository-suite.ts';

async function makeRoot(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'rstow-repository-'));
}

async function keysOf(repository: Repository, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of repository.keys(prefix)) keys.push(key);
  return keys;
}

testRepository({
  name: 'folder',
  async open() {
    const root = await makeRoot();
    const fill = async (keys: readonly string[]): Promise<void> => {
      for (const folder of new Set(keys.map(dirname))) await mkdir(join(root, folder), { recursive: true });
      for (const key of keys) await writeFile(join(root, key), key);
    };
    return { repository: await openFolderRepository(root), fill, close: () => rm(root, { recursive: true }) };
  },
  streams: true,
});

describe('folder repository', () => {
  let root: string;
  beforeEach(async () => {
    root = await makeRoot();
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('lays objects out as plain files of the same names, for its group to read, and leaves nothing else', async () => {
    const mask = process.umask(0);
    try {
      const repository = await openFolderRepository(root);
      await repository.put('a/b/c.json', Buffer.from('one'));
      await repository.put('a/b/c.json', Buffer.from('two'));
    } finally {
      process.umask(mask);
    }
    expect(await readFile(join(root, 'a/b/c.json'), 'utf8')).toBe('one');
    expect((await stat(join(root, 'a/b/c.json'))).mode & 0o777).toBe(0o640);
    expect((await stat(join(root, 'a/b'))).mode & 0o777).toBe(0o750);
    expect((await stat(join(root, 'a/b/c.json'))).nlink).toBe(1);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('removes the file of a put that failed or was aborted', async () => {
    const repository = await openFolderRepository(root);
    await writeFile(join(root, 'taken'), '');
    await expect(repository.put('taken/a', Buffer.from('x'))).rejects.toMatchObject({ code: 'repository-unsupported' });
    const staged = await repository.stage('a');
    const source = Readable.from([Buffer.from('x')]);
    await expect(pipeline(source, staged.sink, { signal: AbortSignal.abort() })).rejects.toThrow();
    await staged.discard();
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('sweeps what dead puts left a day ago, and nothing younger', async () => {
    await openFolderRepository(root);
    const dayAgo = Date.now() / 1000 - 24 * 3600;
    for (const [name, time] of [
      ['old', dayAgo - 60],
      ['young', dayAgo + 60],
    ] as const) {
      await writeFile(join(root, '.tmp', name), 'part');
      await utimes(join(root, '.tmp', name), time, time);
    }
    await openFolderRepository(root);
    expect(await readdir(join(root, '.tmp'))).toEqual(['young']);
  });

  it('lets two openers of one folder see one repository', async () => {
    const [one, other] = [await openFolderRepository(root), await openFolderRepository(root)];
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 ? one : other).put('a/b', Buffer.from(`${index}`))),
    );
    expect(outcomes.filter((outcome) => outcome === 'stored')).toHaveLength(1);
    expect(await keysOf(one)).toEqual(['a/b']);
  });

  it('tells how much space is free', async () => {
    expect(await (await openFolderRepository(root)).freeBytes()).toBeGreaterThan(0);
  });

  it('does not list foreign files whose names are no keys, such as lost+found', async () => {
    const repository = await openFolderRepository(root);
    await mkdir(join(root, 'lost+found'));
    await writeFile(join(root, 'with space'), '');
    await repository.put('a', Buffer.from('x'));
    expect(await keysOf(repository)).toEqual(['a']);
  });
});

describe('the root of a folder repository', () => {
  let parent: string;
  let root: string;
  beforeEach(async () => {
    parent = await makeRoot();
    root = join(parent, 'root');
    await mkdir(root);
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  it('is never created', async () => {
    await rm(root, { recursive: true });
    await expect(openFolderRepository(root)).rejects.toMatchObject({
      code: 'repository-unavailable',
      message: expect.stringContaining('does not exist') as string,
    });
    await expect(stat(root)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('may be a symbolic link, but not a file', async () => {
    await symlink(root, join(parent, 'link'));
    await (await openFolderRepository(join(parent, 'link'))).put('a', Buffer.from('x'));
    expect(await readdir(root)).toContain('a');
    await writeFile(join(parent, 'file'), '');
    await expect(openFolderRepository(join(parent, 'file'))).rejects.toMatchObject({ code: 'repository-unavailable' });
  });

  it('is not taken for empty when it vanished, or became an empty mount point', async () => {
    const repository = await openFolderRepository(root);
    await openRepository(repository, 'create');
    await rename(root, join(parent, 'aside'));
    await expectUnavailable(repository);
    await mkdir(root);
    await expectUnavailable(repository);
    expect(await readdir(root)).toEqual([]);
  });

  it.each(['all of it', 'all but the staging folder'])('is never filled again when %s was removed', async (removed) => {
    const repository = await openFolderRepository(root);
    await openRepository(repository, 'create');
    await repository.put('databases/a', Buffer.from('x'));
    const spared = removed === 'all of it' ? [] : ['.tmp'];
    for (const name of await readdir(root)) if (!spared.includes(name)) await rm(join(root, name), { recursive: true });
    await expect(repository.put('databases/b', Buffer.from('y'))).rejects.toMatchObject({ code: 'repository-unavailable' });
    expect(await readdir(root)).toEqual(spared);
  });

  it('is taken again when the repository is mounted again', async () => {
    const repository = await openFolderRepository(root);
    await openRepository(repository, 'create');
    await repository.put('a/b', Buffer.from('x'));
    await rename(root, join(parent, 'aside'));
    await mkdir(root);
    await copyFile(join(parent, 'aside', 'rstow-repository.json'), join(root, 'rstow-repository.json'));
    expect(await repository.put('a/b', Buffer.from('y'))).toBe('stored');
    expect(await readFile(join(root, 'a/b'), 'utf8')).toBe('y');
  });

  it('is never filled when another repository is mounted in its place', async () => {
    const repository = await openFolderRepository(root);
    await openRepository(repository, 'create');
    await repository.put('a/b', Buffer.from('x'));
    await rename(root, join(parent, 'aside'));
    await mkdir(root);
    await openRepository(await openFolderRepository(root), 'create');
    const before = await readdir(root);
    await expectUnavailable(repository);
    expect(await readdir(root)).toEqual(before);
  });
});

async function expectUnavailable(repository: Repository): Promise<void> {
  const unavailable = { code: 'repository-unavailable' };
  await expect(repository.read('a', { sizeBytesMax: 1 })).rejects.toMatchObject(unavailable);
  await expect(repository.openRead('a')).rejects.toMatchObject(unavailable);
  await expect(keysOf(repository, 'databases/')).rejects.toMatchObject(unavailable);
  await expect(repository.put('a/b', Buffer.from('x'))).rejects.toMatchObject(unavailable);
  await expect(repository.stage('a')).rejects.toMatchObject(unavailable);
  await expect(repository.move('a', 'b')).rejects.toMatchObject(unavailable);
  await expect(repository.deleteMany(['a'])).rejects.toMatchObject(unavailable);
  await expect(repository.freeBytes()).rejects.toMatchObject(unavailable);
}

describe('a symbolic link planted in a folder repository', () => {
  const refused = { code: 'repository-unsupported' };
  let parent: string;
  let repository: Repository;
  beforeEach(async () => {
    parent = await makeRoot();
    await mkdir(join(parent, 'root'));
    await mkdir(join(parent, 'outside'));
    await writeFile(join(parent, 'outside', 'secret'), 'secret');
    repository = await openFolderRepository(join(parent, 'root'));
    await repository.put('own', Buffer.from('x'));
    await symlink(join(parent, 'outside'), join(parent, 'root', 'folder'));
    await symlink(join(parent, 'outside', 'secret'), join(parent, 'root', 'file'));
  });
  afterEach(() => rm(parent, { recursive: true, force: true }));

  it('is not read through', async () => {
    for (const key of ['folder/secret', 'file']) {
      await expect(repository.read(key, { sizeBytesMax: 100 })).rejects.toMatchObject(refused);
      await expect(repository.openRead(key)).rejects.toMatchObject(refused);
    }
  });
  it('is refused by a listing, not hidden', async () => {
    await expect(keysOf(repository)).rejects.toMatchObject(refused);
    await expect(keysOf(repository, 'folder/')).rejects.toMatchObject(refused);
    expect(await keysOf(repository, 'own')).toEqual(['own']);
  });
  it('is not written, moved or deleted through', async () => {
    for (const key of ['folder/new', 'file']) await expect(repository.put(key, Buffer.from('x'))).rejects.toMatchObject(refused);
    for (const key of ['folder/secret', 'file']) {
      await expect(repository.deleteMany([key])).rejects.toMatchObject(refused);
      await expect(repository.move(key, 'stolen')).rejects.toMatchObject(refused);
    }
    await expect(repository.move('own', 'folder/own')).rejects.toMatchObject(refused);
    expect(await readdir(join(parent, 'outside'))).toEqual(['secret']);
    expect(await readFile(join(parent, 'outside', 'secret'), 'utf8')).toBe('secret');
  });
  it('is refused even where a folder was known before', async () => {
    await repository.put('known/a', Buffer.from('x'));
    await rm(join(parent, 'root', 'known'), { recursive: true });
    await symlink(join(parent, 'outside'), join(parent, 'root', 'known'));
    await expect(repository.put('known/b', Buffer.from('x'))).rejects.toMatchObject(refused);
  });
  it('is refused as the staging folder', async () => {
    await rm(join(parent, 'root', '.tmp'), { recursive: true });
    await symlink(join(parent, 'outside'), join(parent, 'root', '.tmp'));
    await expect(openFolderRepository(join(parent, 'root'))).rejects.toMatchObject(refused);
    expect(await readdir(join(parent, 'outside'))).toEqual(['secret']);
  });
});
