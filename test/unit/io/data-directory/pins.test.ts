import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import {
  archivePinFolder,
  guardPinFolder,
  linkSegments,
  listPins,
  moveArchivePins,
  pinSegments,
  runPinFolder,
  unpinSegments,
} from '../../../../src/io/data-directory/pins.ts';
import { scratchFolder } from './scratch-folder.ts';

async function dataDirectory(): Promise<string> {
  const dataDir = await scratchFolder();
  await mkdir(join(dataDir, 'wal'));
  await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), 'first');
  await writeFile(join(dataDir, 'wal', '0000000000000002.wal'), 'second');
  return dataDir;
}

it('keeps a segment readable though compaction deletes its name', async () => {
  const dataDir = await dataDirectory();
  const pinned = await pinSegments({ dataDir, timeline: '0001', runId: 'run' });
  if (pinned.kind !== 'links') throw new Error('links can be made in a temporary folder');
  await rm(join(dataDir, 'wal', '0000000000000001.wal'));
  expect(pinned.segments.map(({ sizeBytes }) => sizeBytes)).toEqual([5, 6]);
  expect(await readFile(pinned.segments[0]?.path ?? '', 'utf8')).toBe('first');
});

it('is private to the owner', async () => {
  const dataDir = await dataDirectory();
  await pinSegments({ dataDir, timeline: '0001', runId: 'run' });
  expect((await stat(join(dataDir, '.rstow'))).mode & 0o777).toBe(0o700);
});

it('adds the segments that came since, when it runs twice, and still holds what compaction took', async () => {
  const dataDir = await dataDirectory();
  await pinSegments({ dataDir, timeline: '0001', runId: 'run' });
  await rm(join(dataDir, 'wal', '0000000000000001.wal'));
  await writeFile(join(dataDir, 'wal', '0000000000000003.wal'), 'third');
  expect(await pinSegments({ dataDir, timeline: '0001', runId: 'run' })).toMatchObject({
    segments: [{ segment: 1 }, { segment: 2 }, { segment: 3 }],
  });
});

it('stops where wal/ was replaced since the first attempt', async () => {
  const dataDir = await dataDirectory();
  await pinSegments({ dataDir, timeline: '0001', runId: 'run' });
  await writeFile(join(dataDir, 'wal', 'other'), 'other bytes');
  await rename(join(dataDir, 'wal', 'other'), join(dataDir, 'wal', '0000000000000002.wal'));
  await expect(pinSegments({ dataDir, timeline: '0001', runId: 'run' })).rejects.toMatchObject({ code: 'data-directory-replaced' });
});

it('fails and leaves nothing behind where there is no wal/', async () => {
  const dataDir = await scratchFolder();
  await expect(pinSegments({ dataDir, timeline: '0001', runId: 'run' })).rejects.toMatchObject({ code: 'data-directory-missing' });
  await expect(stat(join(dataDir, '.rstow'))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('lists the pins of runs, not the guard’s, until they are removed; removing twice is no error', async () => {
  const dataDir = await dataDirectory();
  const [first, second] = [
    { dataDir, timeline: '0001', runId: 'a' },
    { dataDir, timeline: '0002', runId: 'b' },
  ];
  expect(await listPins(dataDir)).toEqual([]);
  await pinSegments(first);
  await pinSegments(second);
  await linkSegments(join(dataDir, 'wal'), guardPinFolder(dataDir, '0001'));
  expect(await listPins(dataDir)).toEqual([first, second]);
  await unpinSegments(first);
  await unpinSegments(first);
  expect(await listPins(dataDir)).toEqual([second]);
});

it('never builds a path from a run id that leaves its folder', async () => {
  const dataDir = await dataDirectory();
  for (const runId of ['..', '../x', 'a/b', '']) {
    await expect(pinSegments({ dataDir, timeline: '0001', runId })).rejects.toThrow('one part of a path');
  }
});

it('pins the file itself that a relative symbolic link in wal/ leads to', async () => {
  const dataDir = await dataDirectory();
  await mkdir(join(dataDir, 'elsewhere'));
  const path = join(dataDir, 'wal', '0000000000000001.wal');
  await rename(path, join(dataDir, 'elsewhere', 'old.wal'));
  await symlink('../elsewhere/old.wal', path);
  const pinned = await pinSegments({ dataDir, timeline: '0001', runId: 'run' });
  if (pinned.kind !== 'links') throw new Error('links can be made in a temporary folder');
  expect(await readFile(pinned.segments[0]?.path ?? '', 'utf8')).toBe('first');
});

it('gives up on a segment whose link is gone again each time, and names it', { timeout: 20_000 }, async () => {
  const dataDir = await dataDirectory();
  const id = { dataDir, timeline: '0001', runId: 'run' };
  // What has the link's name is none, so the segment never counts as pinned.
  await mkdir(join(runPinFolder(id), '0000000000000001.wal'), { recursive: true });
  await expect(pinSegments(id)).rejects.toMatchObject({
    code: 'data-directory-unsupported',
    message: expect.stringContaining('0000000000000001.wal') as string,
  });
});

it('gives the archive’s pins to the timeline that the same files continue, but for what lies behind their end', async () => {
  const dataDir = await dataDirectory();
  await linkSegments(join(dataDir, 'wal'), archivePinFolder(dataDir, '0001'));
  for (let time = 1; time <= 2; time += 1) {
    await moveArchivePins(dataDir, { from: '0001', to: '0002', last: makeSegmentId(1)! });
    expect(await readdir(archivePinFolder(dataDir, '0002'))).toEqual(['0000000000000001.wal']);
  }
});
