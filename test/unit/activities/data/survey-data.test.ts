import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments } from '../../../../src/activities/backup/store-segments.ts';
import { surveyData } from '../../../../src/activities/data/survey-data.ts';
import { makeSegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { writeTimelineFile } from '../../../../src/io/data-directory/rstow-folder.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { createTimeline } from '../../../../src/store/timelines.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { manifest } from '../../config/a-manifest.ts';
import { BOUNDARIES, DATABASE, firstTimeline, makeScene, runOf, type Scene, SEGMENT } from '../scene.ts';

const where = { database: DATABASE, repository: 'local', timeline: '0001' };

/** A log whose every record is stored. */
async function storedScene(): Promise<Scene> {
  const scene = await makeScene();
  await scene.writeSegment(goldenSegment());
  const { fenceKey } = await pinWal(scene.deps)(where, runOf('backup'));
  await storeSegments(scene.deps)({ ...where, fenceKey }, runOf('backup'));
  return scene;
}

it('a log whose last stored record the disk has changed is surveyed all the same: a restore may be what mends it', async () => {
  const scene = await storedScene();
  const bytes = goldenSegment();
  const lastBytes = BOUNDARIES.at(-2)!;
  bytes.fill(0xff, lastBytes, lastBytes + 24);
  await scene.writeSegment(bytes);
  expect(await surveyData(scene.deps)({ database: DATABASE }, runOf('restore'))).toMatchObject({
    instances: null,
    unsavedRecords: BOUNDARIES.length - 2,
    fault: { code: 'source-damaged', sentence: expect.stringContaining(`at byte ${lastBytes}`) as string },
  });
});

it('damage in front of other records is told with what a restart would lose', async () => {
  const scene = await makeScene();
  const bytes = goldenSegment();
  bytes.fill(0xff, BOUNDARIES[1], BOUNDARIES[1]! + 24);
  await scene.writeSegment(bytes);
  const survey = await surveyData(scene.deps)({ database: DATABASE }, runOf('restore'));
  expect(survey?.fault?.sentence).toContain(`${BOUNDARIES.length - 3} whole records behind that place`);
});

it('an incomplete record at the end is no fault', async () => {
  const scene = await makeScene();
  await scene.writeSegment(Buffer.concat([goldenSegment(), goldenSegment().subarray(0, 30)]));
  const survey = await surveyData(scene.deps)({ database: DATABASE }, runOf('restore'));
  expect(survey?.fault).toBeUndefined();
  expect(survey?.unsavedRecords).toBe(BOUNDARIES.length - 1);
});

it('counts as unsaved what was written behind a fork within a backup, as long as the new history has no backup', async () => {
  const { deps, dataDir, repository } = await storedScene();
  const [{ ranges }] = manifest.segments as [(typeof manifest.segments)[number]];
  const [endBytes, forkBytes] = [BOUNDARIES.at(-1)!, BOUNDARIES[3]!];
  await putManifest(repository, { ...manifest, segments: [{ segment: SEGMENT, ranges: [{ ...ranges[0]!, endBytes }] }] });
  const parent = { timeline: '0001', label: manifest.label, extents: [{ segment: SEGMENT, endBytes: forkBytes }] };
  await createTimeline(repository, DATABASE, { ...firstTimeline, parent, why: 'restore', runId: 'recovery' });
  const fork = { from: '0001', runId: 'recovery' };
  await writeTimelineFile(join(dataDir, 'wal'), { format: 1, database: DATABASE, timeline: '0002', generation: 1, fork });
  const survey = await surveyData(deps)({ database: DATABASE }, runOf('restore'));
  expect(survey).toMatchObject({ timeline: '0002', backup: manifest.label, unsavedRecords: BOUNDARIES.length - 1 - 3 });
});

it('surveys a log that a backup has rescued, though that died before it was one', async () => {
  const { deps, dataDir, repository } = await storedScene();
  const parent = { timeline: '0001', label: '20261124T101500Z-hot', extents: [] };
  await createTimeline(repository, DATABASE, { ...firstTimeline, parent, baseline: makeSegmentId(0)!, why: 'rescue', runId: 'rescue' });
  const fork = { from: '0001', runId: 'rescue' };
  await writeTimelineFile(join(dataDir, 'wal'), { format: 1, database: DATABASE, timeline: '0002', generation: 1, fork });
  const survey = await surveyData(deps)({ database: DATABASE }, runOf('restore'));
  expect(survey).toMatchObject({ timeline: '0002', backup: null, unsavedRecords: BOUNDARIES.length - 1 });
});
