import { chmod, chown, mkdir, mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { realPathBelow, requireTargetAllowed } from '../../../../src/io/data-directory/restore-target.ts';

const SOMEBODY = 65_534;
const own = process.getuid?.() ?? 0;

let folder: string;
let root: string;

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'rstow-target-')));
  root = join(folder, 'root');
  await mkdir(join(root, 'data'), { recursive: true });
  await mkdir(join(folder, 'outside'));
});
afterEach(() => rm(folder, { recursive: true }));

const check = (target: string): Promise<void> =>
  requireTargetAllowed(target, { what: 'restore', roots: [root], taken: [join(root, 'data')], trustedUids: [0, own] });

const refusal = (sentence: RegExp): object => ({ code: 'target-not-allowed', message: expect.stringMatching(sentence) as string });

it('takes a folder below a root, there or not yet', async () => {
  await mkdir(join(root, 'empty'));
  await check(join(root, 'empty'));
  await check(join(root, 'new'));
  await check(join(root, 'several/new/ones'));
});

it('takes neither the root itself nor what only begins like it', async () => {
  await expect(check(root)).rejects.toMatchObject(refusal(/is not below a restore root/));
  await expect(check(`${root}-2/x`)).rejects.toMatchObject(refusal(/is not below a restore root/));
  await expect(check('/etc/rstow-new')).rejects.toMatchObject(refusal(/is not below a restore root/));
});

it('follows links: out of a root they are refused, and so is one that leads nowhere', async () => {
  await symlink(join(folder, 'outside'), join(root, 'link'));
  await expect(check(join(root, 'link/new'))).rejects.toMatchObject(refusal(/outside\/new\) is not below a restore root/));
  await symlink(join(folder, 'nowhere'), join(root, 'dangling'));
  await expect(check(join(root, 'dangling'))).rejects.toMatchObject(refusal(/a symbolic link that leads nowhere/));
  await expect(check(join(root, 'dangling/new'))).rejects.toMatchObject(refusal(/a symbolic link that leads nowhere/));
});

it('refuses what can’t be reached, which another attempt would not reach either', async () => {
  await symlink(join(root, 'loop'), join(root, 'loop'));
  for (const target of [join(root, 'loop/new'), join(root, 'x'.repeat(300))]) {
    await expect(check(target)).rejects.toMatchObject(refusal(/can’t be reached/));
    expect(await realPathBelow(target, [root])).toBeUndefined();
  }
});

it('takes what lies in a root that is itself a link', async () => {
  await symlink(root, join(folder, 'alias'));
  await requireTargetAllowed(join(folder, 'alias/new'), {
    what: 'restore',
    roots: [join(folder, 'alias')],
    taken: [],
    trustedUids: [0, own],
  });
});

it('refuses what is in use, also through a link', async () => {
  await expect(check(join(root, 'data/wal/inner'))).rejects.toMatchObject(refusal(/which is in use/));
  await symlink(join(root, 'data'), join(root, 'alias'));
  await expect(check(join(root, 'alias/inner'))).rejects.toMatchObject(refusal(/which is in use/));
});

it('refuses a way that every user can change, but takes one with the sticky bit', async () => {
  await mkdir(join(root, 'open'));
  await chmod(join(root, 'open'), 0o777);
  await expect(check(join(root, 'open/new'))).rejects.toMatchObject(refusal(/every user of this host can write to/));
  await chmod(join(root, 'open'), 0o1777);
  await check(join(root, 'open/new'));
});

it.runIf(own === 0)('refuses a folder that another user has made there before', async () => {
  await mkdir(join(root, 'theirs'));
  await chown(join(root, 'theirs'), SOMEBODY, SOMEBODY);
  await expect(check(join(root, 'theirs'))).rejects.toMatchObject(refusal(/belongs to user 65534, who could replace it/));
});
