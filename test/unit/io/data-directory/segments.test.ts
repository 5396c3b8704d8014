import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { listSegments, openSegments } from '../../../../src/io/data-directory/segments.ts';
import { scratchFolder } from './scratch-folder.ts';

it('lists segments by number and leaves foreign names out', async () => {
  const folder = await scratchFolder();
  for (const name of ['00000000000000ff.wal', '0000000000000002.wal', '0000000000000010.wal']) await writeFile(join(folder, name), name);
  for (const name of ['rstow-timeline.json', '2.wal', '000000000000000G.wal', '0000000000000003.wal.partial'])
    await writeFile(join(folder, name), '');
  await mkdir(join(folder, '0000000000000004.wal'));
  const listed = await listSegments(folder);
  expect(listed?.map(({ segment, sizeBytes }) => ({ segment: Number(segment), sizeBytes }))).toEqual([
    { segment: 2, sizeBytes: 20 },
    { segment: 16, sizeBytes: 20 },
    { segment: 255, sizeBytes: 20 },
  ]);
});

it('tells a missing wal/ from an empty one', async () => {
  const folder = await scratchFolder();
  expect(await listSegments(folder)).toEqual([]);
  expect(await listSegments(join(folder, 'wal'))).toBeUndefined();
  expect(await openSegments(join(folder, 'wal'))).toBeUndefined();
});

it('reads an opened segment though its name is deleted', async () => {
  const folder = await scratchFolder();
  await writeFile(join(folder, '0000000000000001.wal'), 'first');
  await writeFile(join(folder, '0000000000000002.wal'), 'second');
  await using opened = await openSegments(folder);
  await rm(join(folder, '0000000000000001.wal'));
  const first = opened?.segments[0];
  expect(first).toMatchObject({ segment: 1, sizeBytes: 5 });
  const { buffer, bytesRead } = (await first?.handle.read(Buffer.alloc(9), 0, 9, 0)) ?? {};
  expect(buffer?.toString('utf8', 0, bytesRead)).toBe('first');
});
