import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('link-once.ts', import.meta.url));
const NAMES = ['0000000000000001.wal', '0000000000000002.wal'];
const stracePresent = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true']).status === 0;

/** Linux only, and where tracing is allowed: the real system calls fail. */
describe.skipIf(!stracePresent)('where links are not permitted', { timeout: 30_000 }, () => {
  let dataDir: string;
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'rstow-no-links-'));
    await mkdir(join(dataDir, 'wal'));
    for (const name of NAMES) await writeFile(join(dataDir, 'wal', name), `content of ${name}`);
  });
  afterEach(() => rm(dataDir, { recursive: true, force: true }));

  function linkOnce(fault: string): { status: number | null; stdout: string; stderr: string } {
    const inject = ['-f', '-qq', '-e', 'trace=link,linkat', '-e', `inject=link,linkat:${fault}`, '-o', join(dataDir, 'trace')];
    // One thread, because strace counts the calls of each for itself.
    const env = { ...process.env, UV_THREADPOOL_SIZE: '1' };
    const { status, stdout, stderr } = spawnSync('strace', [...inject, process.execPath, SCRIPT, dataDir], { env, encoding: 'utf8' });
    return { status, stdout, stderr };
  }

  it.each(['error=EPERM', 'error=EPERM:when=2+', 'error=EOPNOTSUPP', 'error=EMLINK:when=2+', 'error=EACCES'])(
    'asks for descriptors, leaves no half a pin, and repeats a tree by copies: %s',
    async (fault) => {
      const { status, stdout, stderr } = linkOnce(fault);
      expect({ status, stdout: JSON.parse(stdout) as unknown, stderr }).toMatchObject({ status: 0, stdout: { kind: 'descriptors' } });
      expect(await readdir(join(dataDir, '.rstow', 'pins', '0001'))).toEqual([]);
      expect(await readdir(join(dataDir, 'repeated'))).toEqual(NAMES);
      for (const name of NAMES) {
        const [source, copy] = [join(dataDir, 'wal', name), join(dataDir, 'repeated', name)];
        expect(await readFile(copy, 'utf8')).toBe(`content of ${name}`);
        expect((await stat(copy)).ino).not.toBe((await stat(source)).ino);
      }
    },
  );

  it('takes no other failure for that', () => {
    expect(linkOnce('error=EIO')).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('EIO') as string });
  });
});
