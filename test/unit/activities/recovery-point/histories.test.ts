/** Points of a history whose backups are not all as they should be, or not there yet. */
import { expect, it } from 'vitest';
import type { FoundPoint } from '../../../../src/activities/recovery-point/find-point.ts';
import { manifestKey } from '../../../../src/core/repository/object-keys.ts';
import type { RecoveryTarget } from '../../../../src/core/recovery/target.ts';
import { makeWalOffset } from '../../../../src/core/wal/wal-offset.ts';
import { createTimeline } from '../../../../src/store/timelines.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, firstTimeline, keysOf, makeScene, replaceObject, SEGMENT } from '../scene.ts';
import { find, type Placed, storeEarlier, storeLog, TWO_SEGMENTS } from './model-history.ts';

it('comes to the end of a backup whose manifest is damaged, for a newer one has the same log', async () => {
  const scene = await makeScene();
  const placed = await storeLog(scene, TWO_SEGMENTS);
  const writtenAtMs = manifest.writtenAtMs - 3_600_000;
  await storeEarlier(scene, 1, { label: 'first', writtenAtMs: writtenAtMs - 3_600_000, createdAtMs: 5 });
  await storeEarlier(scene, 2, { label: 'damaged', writtenAtMs });
  await replaceObject(scene.repository, manifestKey(DATABASE, 'damaged'), Buffer.from('rot'));
  const end = String(makeWalOffset(placed[2]!.segment, placed[2]!.endBytes));
  const found = await find(scene, { time: new Date(writtenAtMs).toISOString() });
  expect(found).toMatchObject({ label: manifest.label, end, records: 3, instances: 3, sinceMs: 5, untilMs: writtenAtMs });
});

it('names no time for a point before which a backup was written, as a clock that was set back would have it', async () => {
  const scene = await makeScene();
  await storeLog(scene, TWO_SEGMENTS);
  const aheadMs = manifest.writtenAtMs + 3_600_000;
  await storeEarlier(scene, 2, { label: 'ahead', writtenAtMs: aheadMs });
  expect(await find(scene, { latest: true })).toMatchObject({ label: manifest.label, untilMs: aheadMs });
  await expect(find(scene, { time: new Date(manifest.writtenAtMs).toISOString() })).rejects.toMatchObject({ code: 'point-not-found' });
});

it('says up to where the log goes before a damaged piece, and has the points there', async () => {
  const scene = await makeScene();
  const placed = await storeLog(scene, TWO_SEGMENTS);
  const pieces = await keysOf(scene.repository, `databases/${DATABASE}/wal/`);
  const [first, second] = [1, 2].map((segment) =>
    pieces.find((key) => key.endsWith('.wal.zst') && key.includes(`/000000000000000${segment}/`))!,
  );
  await replaceObject(scene.repository, second!, Buffer.from('rot'));
  const end = String(makeWalOffset(SEGMENT, placed[1]!.endBytes));
  await expect(find(scene, { sequence: 4 })).rejects.toMatchObject({
    code: expect.stringMatching(/^(damaged|truncated)-object$/) as string,
    message: expect.stringContaining(`; the log before it goes up to offset ${end}`) as string,
  });
  expect(await find(scene, { offset: end })).toMatchObject({ records: 2 });
  await scene.repository.deleteMany([first!]);
  await expect(find(scene, { sequence: 1 })).rejects.toMatchObject({
    code: 'missing-object',
    message: expect.stringContaining('; no log stands before it') as string,
  });
});

it('goes up to the fork of a history that has no backup of its own, and no further', async () => {
  const scene = await makeScene();
  const placed = await storeLog(scene, TWO_SEGMENTS);
  await storeEarlier(scene, 1, { label: 'first', createdAtMs: 5, writtenAtMs: 6 });
  const at = placed[2]!;
  const extents = [
    { segment: SEGMENT, endBytes: placed[1]!.endBytes },
    { segment: at.segment, endBytes: at.endBytes },
  ];
  const parent = { timeline: '0001', label: manifest.label, extents };
  await createTimeline(scene.repository, DATABASE, { ...firstTimeline, runId: 'restore', why: 'restore', parent });
  const inNew = (target: RecoveryTarget): Promise<FoundPoint> => find(scene, target, '0002');
  const end = String(makeWalOffset(at.segment, at.endBytes));
  const whole = { end, label: manifest.label, records: 3, instances: 3, sinceMs: 5, untilMs: manifest.writtenAtMs };
  for (const target of [{ latest: true }, { offset: end }, { after: { instance: 'c' } }, { sequence: 3 }]) {
    expect(await inNew(target)).toMatchObject(whole);
  }
  expect(await inNew({ time: new Date(6).toISOString() })).toMatchObject({ label: 'first', untilMs: 6 });
  expect(await inNew({ time: new Date(manifest.writtenAtMs).toISOString() })).toMatchObject(whole);
  const stored = `timeline 0002 is stored up to offset ${end}`;
  for (const target of [{ sequence: 4 }, { after: { instance: 'd' } }, { offset: String(BigInt(end) + 1n) }]) {
    await expect(inNew(target)).rejects.toMatchObject({ code: 'point-not-found', message: expect.stringContaining(stored) as string });
  }
});

it('knows the log of a history that was begun within its only backup', async () => {
  const scene = await makeScene();
  const [{ segment, endBytes }] = (await storeLog(scene, TWO_SEGMENTS)) as [Placed];
  const parent = { timeline: '0001', label: manifest.label, extents: [{ segment, endBytes }] };
  await createTimeline(scene.repository, DATABASE, { ...firstTimeline, runId: 'restore', why: 'restore', parent });
  const found = await find(scene, { latest: true }, '0002');
  expect(found).toMatchObject({ end: String(makeWalOffset(segment, endBytes)), records: 1, label: manifest.label });
});
