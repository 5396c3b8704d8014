import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeSegmentId, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { freeBytes, liesIn } from '../../../../src/io/files/free-space.ts';
import { checkDataDirectory, renameFault } from '../../../../src/io/data-directory/restore-target.ts';
import { pinSegments } from '../../../../src/io/data-directory/pins.ts';
import { restorePaths, writeStagedSegment } from '../../../../src/io/data-directory/restores.ts';

const isRoot = process.getuid?.() === 0;

describe.runIf(isRoot)('with file systems mounted in it (needs root)', () => {
  let dataDir: string;
  let mounted: string[];

  beforeEach(async () => {
    // A blank, for the mount table writes blanks in octal.
    dataDir = join(await realpath(await mkdtemp(join(tmpdir(), 'rstow-mounts-'))), 'my data');
    mounted = [];
    await mkdir(join(dataDir, 'wal'), { recursive: true });
    await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), 'first');
  });

  afterEach(async () => {
    for (const path of mounted.reverse()) execFileSync('umount', [path]);
    await rm(join(dataDir, '..'), { recursive: true, force: true });
  });

  async function mount(name: string, ...args: string[]): Promise<void> {
    const path = join(dataDir, name);
    await mkdir(path, { recursive: true });
    execFileSync('mount', [...args, path]);
    mounted.push(path);
  }

  it('knows a data directory that is mounted in a second place', async () => {
    await mount('../second', '--bind', dataDir);
    const repository = join(dataDir, '../second/backups/new');
    expect([await liesIn(repository, dataDir), await liesIn(dataDir, repository)]).toEqual([true, false]);
    expect(await liesIn(join(dataDir, '../third'), dataDir)).toBe(false);
  });

  it('refuses a swap where wal/ is another file system', async () => {
    await mount('wal', '-t', 'tmpfs', 'tmpfs');
    expect(await checkDataDirectory(dataDir)).toMatchObject({ kind: 'wal-unsupported', why: 'mount-point', path: join(dataDir, 'wal') });
  });

  it.each(['wal', 'snapshots', '.rstow'])('refuses a swap where %s is a bind mount of the same file system', async (name) => {
    await mkdir(join(dataDir, 'elsewhere'));
    await mount(name, '--bind', join(dataDir, 'elsewhere'));
    expect(await checkDataDirectory(dataDir)).toMatchObject({ kind: 'wal-unsupported', why: 'mount-point', path: join(dataDir, name) });
  });

  it('asks for descriptors where links would cross file systems, and leaves no half a pin', async () => {
    await mount('.rstow', '-t', 'tmpfs', 'tmpfs');
    expect(await pinSegments({ dataDir, timeline: '0001', runId: 'run' })).toEqual({ kind: 'descriptors' });
    expect(await readdir(join(dataDir, '.rstow', 'pins', '0001'))).toEqual([]);
  });

  it('asks for descriptors where the file system is read-only', async () => {
    await mount('.rstow', '-t', 'tmpfs', '-o', 'ro', 'tmpfs');
    expect(await pinSegments({ dataDir, timeline: '0001', runId: 'run' })).toEqual({ kind: 'descriptors' });
  });

  it('knows before anything is stopped that a folder of a lower overlay layer can’t be renamed, and leaves no trace', async () => {
    for (const name of ['upper', 'work']) await mkdir(join(dataDir, '..', name));
    const layers = ['lower', 'upper', 'work'];
    await rename(dataDir, join(dataDir, '..', 'lower'));
    const options = layers.map((name) => `${name}dir=${join(dataDir, '..', name)}`).join(',');
    await mount('.', '-t', 'overlay', '-o', options, 'overlay');
    expect(await renameFault(dataDir, 'wal')).toBe('EXDEV');
    await mkdir(join(dataDir, 'fresh'));
    await rm(join(dataDir, 'wal'), { recursive: true });
    await rename(join(dataDir, 'fresh'), join(dataDir, 'wal'));
    expect(await renameFault(dataDir, 'wal')).toBeUndefined();
    expect(await readdir(dataDir)).toEqual(['wal']);
  });

  it('calls a disk full that has no room to ask whether wal/ can be renamed, and no data directory unsupported', async () => {
    // The root of a tmpfs, wal/ and the segment: no folder more.
    await mount('.', '-t', 'tmpfs', '-o', 'nr_inodes=3', 'tmpfs');
    await mkdir(join(dataDir, 'wal'));
    await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), '');
    await expect(renameFault(dataDir, 'wal')).rejects.toMatchObject({ code: 'not-enough-space' });
    expect(await readdir(dataDir)).toEqual(['wal']);
  });

  it('says that space is missing where a staged segment doesn’t fit, and gives it no name', async () => {
    await mount('.rstow', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs');
    expect(await freeBytes(join(dataDir, '.rstow', 'restores', 'run'))).toBeLessThanOrEqual(1024 * 1024);
    const { wal } = restorePaths(dataDir, 'run');
    const content = async function* (): AsyncGenerator<Uint8Array> {
      for (let chunk = 0; chunk < 8; chunk += 1) yield Buffer.alloc(256 * 1024, chunk);
    };
    const writing = writeStagedSegment({ walDir: wal, segment: makeSegmentId(1) as SegmentId, sizeBytes: 2 * 1024 * 1024, content });
    await expect(writing).rejects.toMatchObject({ code: 'not-enough-space' });
    expect(await readdir(wal)).toEqual([]);
  });
});
