import { join } from 'node:path';
import { expect, it } from 'vitest';
import { timelineOfData } from '../../../../src/activities/backup/source-continuity.ts';
import { openDatabase } from '../../../../src/database/database.ts';
import { createTimeline, timelinesOf } from '../../../../src/store/timelines.ts';
import { readTimelineFile, writeTimelineFile } from '../../../../src/io/data-directory/rstow-folder.ts';
import { DATABASE, firstTimeline, makeScene, type Scene } from '../scene.ts';

const timelineOf = async ({ repository, deps }: Scene): Promise<string> =>
  timelineOfData({ timelines: timelinesOf({ repository, database: DATABASE }) }, openDatabase(deps, DATABASE));

const forked = { ...firstTimeline, parent: { timeline: '0001', label: 'label', extents: [] }, why: 'restore' as const, runId: 'recovery' };
const markOf = (runId: string): Parameters<typeof writeTimelineFile>[1] => ({
  format: 1,
  database: DATABASE,
  timeline: '0002',
  generation: 2,
  fork: { from: '0001', runId },
});

it('marks a directory without a mark as the first history, as long as there is no other', async () => {
  const scene = await makeScene();
  const walDir = join(scene.dataDir, 'wal');
  expect(await timelineOf(scene)).toBe('0001');
  expect(await readTimelineFile(walDir)).toEqual({ format: 1, database: DATABASE, timeline: '0001', generation: 1 });
  const other = await makeScene(scene.repository);
  await createTimeline(scene.repository, DATABASE, forked);
  expect(await timelineOf(scene)).toBe('0001');
  await expect(timelineOf(other)).rejects.toMatchObject({ code: 'timeline-diverged' });
});

it('tells two histories of one id apart by the runs that made them', async () => {
  const scene = await makeScene();
  await createTimeline(scene.repository, DATABASE, forked);
  await writeTimelineFile(join(scene.dataDir, 'wal'), markOf('recovery'));
  expect(await timelineOf(scene)).toBe('0002');
  await writeTimelineFile(join(scene.dataDir, 'wal'), markOf('another run, in another repository'));
  await expect(timelineOf(scene)).rejects.toMatchObject({ code: 'timeline-diverged' });
});
