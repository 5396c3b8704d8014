import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openFolderRepository } from '../../../../src/io/repository/folder.ts';

const mebibyte = 1024 * 1024;

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function listed(root: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of (await openFolderRepository(root)).keys('')) keys.push(key);
  return keys;
}

describe('a folder repository whose writer is killed', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'rstow-repository-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('shows nothing of a half written object', async () => {
    const child = spawn(process.execPath, [script('stage-and-wait.ts'), root], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    await kill(child);
    expect(await readdir(join(root, '.tmp'))).toHaveLength(1);
    expect(await listed(root)).toEqual([]);
  });

  it('shows whole objects only, whenever it dies', { timeout: 60_000 }, async () => {
    for (let round = 0; round < 6; round += 1) {
      const child = spawn(process.execPath, [script('put-for-ever.ts'), root, `${round * 10_000}`], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await once(child.stdout, 'data');
      child.stdout.resume();
      await new Promise((resolve) => setTimeout(resolve, 20 + round * 7));
      await kill(child);
    }
    const keys = await listed(root);
    expect(keys.length).toBeGreaterThanOrEqual(6);
    for (const key of keys) {
      const number = Number(key.split('/').at(-1));
      expect((await readFile(join(root, key))).equals(Buffer.alloc(mebibyte, number))).toBe(true);
    }
  });
});

const stracePresent = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;

/** Linux only, and where tracing is allowed: these tests watch or spoil the real system calls. */
describe.skipIf(!stracePresent)('the system calls of a put into a folder', { timeout: 30_000 }, () => {
  let folder: string;
  let root: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-repository-'));
    root = join(folder, 'root');
    await mkdir(root);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Runs put-once.ts; with `fault`, the calls that it names fail so; with `under`, only those that concern this path. */
  function putOnce(fault?: string, under?: string): string {
    const trace = ['-f', '-y', '-qq', '-e', 'trace=link,linkat,mkdir,mkdirat,openat,fsync,unlink,unlinkat', '-o', join(folder, 'trace')];
    const inject = [...(fault === undefined ? [] : ['-e', `inject=${fault}`]), ...(under === undefined ? [] : ['-P', join(root, under)])];
    // One thread, because strace counts the calls of each for itself.
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
    return spawnSync('strace', [...trace, ...inject, process.execPath, script('put-once.ts'), root], { env }).stdout.toString();
  }

  it('come in the order that survives a power cut', async () => {
    expect(putOnce()).toBe('stored');
    const calls = (await readFile(join(folder, 'trace'), 'utf8')).split('\n').filter((line) => line.includes(root));
    const steps = [
      /fsync\(\d+<[^>]*\/\.tmp\/[^>]+>\)/,
      /mkdir.*\/root\/a"/,
      new RegExp(`fsync\\(\\d+<${root}>\\)`),
      /mkdir.*\/root\/a\/b"/,
      new RegExp(`fsync\\(\\d+<${root}/a>\\)`),
      /link.*\/\.tmp\/.*\/a\/b\/object"/,
      new RegExp(`fsync\\(\\d+<${root}/a/b>\\)`),
      /unlink.*\/\.tmp\//,
    ];
    const positions = steps.map((step) => calls.findLastIndex((call) => step.test(call)));
    expect(positions).not.toContain(-1);
    expect(positions).toEqual(positions.toSorted((one, other) => one - other));
  });

  it.each([
    ['link,linkat:error=EPERM', 'repository-unsupported'],
    ['link,linkat:error=EOPNOTSUPP', 'repository-unsupported'],
    ['fsync:error=EIO', 'repository-unavailable'],
    ['fsync:error=ENOSPC', 'not-enough-space'],
    ['fsync:error=EDQUOT', 'not-enough-space'],
  ])('failing as %s are told as %s and leave nothing', async (fault, code) => {
    expect(putOnce(fault)).toBe(code);
    expect(await listed(root)).toEqual([]);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it.each(['EMFILE', 'ENFILE'])('failing with %s are told as open-files-exhausted and leave nothing', async (errno) => {
    expect(putOnce(`openat:error=${errno}`, 'a')).toBe('open-files-exhausted');
    expect(await listed(root)).toEqual([]);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  it('store an object on a disk that can’t sync folders, and say so once', async () => {
    expect(putOnce('fsync:error=EINVAL:when=2+')).toBe('unsynced, stored');
    expect(await readFile(join(root, 'a/b/object'), 'utf8')).toBe('content');
    // A file that can't be synced is another thing: its bytes may be lost.
    await rm(join(root, 'a'), { recursive: true });
    expect(putOnce('fsync:error=EINVAL:when=1')).toBe('repository-unavailable');
  });

  it('that fail after the object is in place leave it whole, and the next put finds it', async () => {
    expect(putOnce('fsync:error=EIO:when=4')).toBe('repository-unavailable');
    expect(await listed(root)).toEqual(['a/b/object']);
    expect(putOnce()).toBe('exists');
    expect(await readFile(join(root, 'a/b/object'), 'utf8')).toBe('content');
  });
});
