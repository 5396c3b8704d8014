import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { makeSegmentId, segmentFileName } from '../../../../src/core/wal/wal-offset.ts';
import { archivePinFolder, pinSegment, pinSegments } from '../../../../src/io/data-directory/pins.ts';
import { listSegments } from '../../../../src/io/data-directory/segments.ts';

it('a run holds also what compaction has taken and nobody but the archive has', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'rstow-pins-'));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const walDir = join(dataDir, 'wal');
  await mkdir(walDir);
  const names = [1, 2].map((number) => segmentFileName(makeSegmentId(number)!));
  for (const name of names) await writeFile(join(walDir, name), name);
  const [first] = (await listSegments(walDir))!;
  expect(await pinSegment(first!, archivePinFolder(dataDir, '0001'))).toBe(true);
  await rm(first!.path);
  const pinned = await pinSegments({ dataDir, timeline: '0001', runId: 'run' });
  if (pinned.kind !== 'links') throw new Error('this disk has links');
  expect(pinned.segments.map(({ fileName }) => fileName)).toEqual(names);
  expect(await readFile(join(pinned.dir, names[0]!), 'utf8')).toBe(names[0]);
});
