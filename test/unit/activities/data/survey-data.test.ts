import { expect, it } from 'vitest';
import { pinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments } from '../../../../src/activities/backup/store-segments.ts';
import { surveyData } from '../../../../src/activities/data/survey-data.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { BOUNDARIES, DATABASE, makeScene, runOf, type Scene } from '../scene.ts';

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
