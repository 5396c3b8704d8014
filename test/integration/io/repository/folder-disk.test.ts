import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolderRepository } from '../../../../src/io/repository/folder.ts';
import { openRepository } from '../../../../src/io/repository/header.ts';

const mebibyte = 1024 * 1024;

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status === 0;
}

/** Mounting takes root. */
async function canMount(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-mount-'));
  const mounted = run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder);
  if (mounted) run('umount', folder);
  await rm(folder, { recursive: true });
  return mounted;
}

describe.skipIf(!(await canMount()))('a folder repository on a disk of 1 MiB', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rstow-disk-'));
    expect(run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root)).toBe(true);
  });
  afterEach(async () => {
    expect(run('umount', root)).toBe(true);
    await rm(root, { recursive: true });
  });

  it('tells that it is full, gives the space back, and takes what fits', async () => {
    const repository = await openFolderRepository(root);
    const full = { code: 'not-enough-space' };
    await expect(repository.put('a', Buffer.alloc(2 * mebibyte))).rejects.toMatchObject(full);
    const staged = await repository.stage('a');
    await expect(pipeline(Readable.from([Buffer.alloc(2 * mebibyte)]), staged.sink)).rejects.toMatchObject(full);
    await staged.discard();
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
    expect(await repository.freeBytes()).toBeGreaterThan(0.9 * mebibyte);
    expect(await repository.put('a', Buffer.alloc(mebibyte / 2))).toBe('stored');
  });

  it('opens and can be emptied when it is full', async () => {
    const repository = await openFolderRepository(root);
    const freeBytes = (await repository.freeBytes()) ?? 0;
    await repository.put('a', Buffer.alloc(freeBytes));
    expect(await repository.freeBytes()).toBe(0);
    const again = await openFolderRepository(root);
    await again.move('a', 'trash-a');
    await again.deleteMany(['trash-a']);
    expect(await again.freeBytes()).toBe(freeBytes);
  });

  it('opens for reading when it is mounted read-only, and says so to a put', async () => {
    await openRepository(await openFolderRepository(root), 'create');
    await rm(join(root, '.tmp'), { recursive: true });
    expect(run('mount', '-o', 'remount,ro', root)).toBe(true);
    const repository = await openFolderRepository(root);
    expect(await openRepository(repository, 'create')).toMatchObject({ format: 1 });
    const readOnly = { code: 'repository-unavailable', details: { errno: 'EROFS' } };
    await expect(repository.put('a', Buffer.from('x'))).rejects.toMatchObject(readOnly);
    await expect(repository.deleteMany(['rstow-repository.json'])).rejects.toMatchObject(readOnly);
    await expect(repository.move('rstow-repository.json', 'trash/x')).rejects.toMatchObject(readOnly);
  });

  it('fills no mount point whose disk was unmounted', async () => {
    const repository = await openFolderRepository(root);
    await openRepository(repository, 'create');
    expect(run('umount', root)).toBe(true);
    await expect(repository.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'repository-unavailable' });
    expect(await readdir(root)).toEqual([]);
    expect(run('mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', root)).toBe(true);
  });
});
