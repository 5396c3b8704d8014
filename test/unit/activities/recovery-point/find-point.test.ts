import fc from 'fast-check';
import { expect, it } from 'vitest';
import { findPoint } from '../../../../src/activities/recovery-point/find-point.ts';
import type { RecoveryTarget } from '../../../../src/core/recovery/target.ts';
import { makeSegmentId, makeWalOffset } from '../../../../src/core/wal/wal-offset.ts';
import { modelDigest, modelEntries } from '../../../fixtures/wal/state-model.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, makeScene, runOf } from '../scene.ts';
import { created, find, storeLog, TWO_SEGMENTS } from './model-history.ts';

const logs = fc.array(fc.array(modelEntries, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 });

it('finds any offset, and the state there, of any log', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(logs, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(200), async (segments, where, beyondBytes) => {
      const scene = await makeScene();
      const placed = await storeLog(scene, { segments });
      const index = Math.floor(where * placed.length);
      const record = placed[index]!;
      // Anywhere behind this record's end and before the next one's: the same point.
      const next = placed[index + 1];
      const room = next?.segment === record.segment ? next.endBytes - record.endBytes : 1;
      const offset = makeWalOffset(record.segment, record.endBytes + (beyondBytes % room));
      const found = await find(scene, { offset: String(offset) });
      expect(found.end).toBe(String(makeWalOffset(record.segment, record.endBytes)));
      const { digest, instances } = modelDigest(placed.slice(0, index + 1).map(({ entry }) => entry));
      expect(found).toMatchObject({ stateDigest: digest, instances, records: index + 1 });
    }),
    { numRuns: 60 },
  );
});

const choices = fc.record({ pick: fc.nat(), side: fc.constantFrom('before', 'after'), isNumbered: fc.boolean() });

it('finds the record of an instance that is meant, before and behind it, of any log', { timeout: 60_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(logs, choices, async (segments, { pick, side, isNumbered }) => {
      const scene = await makeScene();
      const placed = await storeLog(scene, { segments });
      const own = placed.filter(({ entry }) => 'instance_id' in entry);
      fc.pre(own.length > 0);
      const { entry } = own[pick % own.length]!;
      const instance = 'instance_id' in entry ? entry.instance_id : '';
      const alike = own.filter((other) => 'instance_id' in other.entry && other.entry.instance_id === instance);
      const occurrence = isNumbered ? (pick % alike.length) + 1 : undefined;
      const meant = alike.at(occurrence === undefined ? -1 : occurrence - 1)!;
      const found = await find(scene, { [side]: { instance, occurrence } });
      const before = placed.slice(0, placed.indexOf(meant) + (side === 'after' ? 1 : 0));
      const { digest, instances } = modelDigest(before.map((each) => each.entry));
      expect(found).toMatchObject({ stateDigest: digest, instances, records: before.length });
      const last = before.at(-1);
      expect(found.end).toBe(String(last === undefined ? makeWalOffset(makeSegmentId(1)!, 0) : makeWalOffset(last.segment, last.endBytes)));
    }),
    { numRuns: 60 },
  );
});

it('says up to where the log is stored if the offset is behind it', async () => {
  const scene = await makeScene();
  const end = makeWalOffset((await storeLog(scene, TWO_SEGMENTS)).at(-1)!.segment, 4096);
  await expect(find(scene, { offset: String(end) })).rejects.toMatchObject({
    code: 'point-not-found',
    message: expect.stringMatching(
      /is not stored yet; timeline 0001 is stored up to offset [0-9]+, by backup 20261124T101500Z-hot/,
    ) as string,
  });
});

it.each(['0', String(2n ** 40n - 1n)])('says where the log begins if the offset, %s, is before it', async (offset) => {
  const scene = await makeScene();
  await storeLog(scene, TWO_SEGMENTS);
  await expect(find(scene, { offset })).rejects.toMatchObject({
    code: 'point-not-found',
    message: `the log begins at offset 1099511627776, behind offset ${offset}`,
  });
  expect(await find(scene, { offset: '1099511627776' })).toMatchObject({ end: '1099511627776', records: 0 });
});

it('ends at an empty segment, which a write that failed may leave, as well as behind or before it', async () => {
  const scene = await makeScene();
  const placed = await storeLog(scene, { segments: [[created('a')], [], [created('b')], []] });
  const [a, b] = placed.map(({ segment, endBytes }) => makeWalOffset(segment, endBytes));
  expect(await find(scene, { after: { instance: 'a' } })).toMatchObject({ end: String(a), instances: 1 });
  expect(await find(scene, { before: { instance: 'b' } })).toMatchObject({ instances: 1 });
  expect(await find(scene, { after: { instance: 'b' } })).toMatchObject({ end: String(b), instances: 2 });
  expect(await find(scene, { latest: true })).toMatchObject({ end: String(makeWalOffset(makeSegmentId(4)!, 0)), instances: 2 });
});

it('names the nearest numbers, and how many records an instance has, where there is no such record', async () => {
  const scene = await makeScene();
  await storeLog(scene, TWO_SEGMENTS);
  await expect(find(scene, { sequence: 99 })).rejects.toThrow('there is no record 99; the nearest is 4');
  const target = { before: { instance: 'c', record: 'delete' as const } };
  await expect(find(scene, target)).rejects.toThrow('the stored log has 1 record of instance "c", and none is a deletion;');
  const second = { before: { instance: 'c', record: 'create' as const, occurrence: 2 } };
  await expect(find(scene, second)).rejects.toThrow('1 record of instance "c", 1 of them a creation: there is no number 2;');
  await expect(find(scene, { after: { instance: 'z' } })).rejects.toThrow('the stored log has no record of instance "z"');
});

it('has points before a hole in the log, and names them for whatever lies behind it', async () => {
  const scene = await makeScene();
  const placed = await storeLog(scene, { ...TWO_SEGMENTS, missing: [2] });
  expect(await find(scene, { sequence: 2 })).toMatchObject({ instances: 2, records: 2 });
  const window = `points up to offset ${makeWalOffset(placed[1]!.segment, placed[1]!.endBytes)} can be had`;
  for (const target of [
    { sequence: 4 },
    { latest: true },
    { after: { instance: 'd' } },
    { offset: String(makeWalOffset(makeSegmentId(3)!, 0)) },
  ]) {
    await expect(find(scene, target)).rejects.toMatchObject({
      code: 'wal-gap',
      message: expect.stringContaining(`the log lacks segment 2; ${window}`) as string,
    });
  }
});

it('lists the higher numbers that stand before a sequence', async () => {
  const scene = await makeScene();
  const placed = await storeLog(scene, { ...TWO_SEGMENTS, numbers: [1, 4, 3, 2] });
  const found = await find(scene, { sequence: 3 });
  expect(found).toMatchObject({ end: String(makeWalOffset(placed[2]!.segment, placed[2]!.endBytes)), higher: { count: 1, first: [4] } });
  expect(found.records).toBe(3);
});

it('repeats what the backup has warned of and still bears on the point', async () => {
  const scene = await makeScene();
  const lacking = { code: 'state-lacking', message: 'the log of this backup lacks 1 (x)' };
  await storeLog(scene, { ...TWO_SEGMENTS, warnings: [lacking, { code: 'compaction-on', message: 'soon over' }] });
  expect((await find(scene, { sequence: 2 })).warnings).toEqual([lacking]);
});

it('is found once: a retry gets the point of the first attempt', async () => {
  const scene = await makeScene();
  await storeLog(scene, TWO_SEGMENTS);
  const ask = findPoint(scene.deps);
  const first = await ask({ database: DATABASE, target: { sequence: 2 } }, runOf('one'));
  expect(await ask({ database: DATABASE, target: { sequence: 3 } }, runOf('one'))).toEqual(first);
});

it('knows a time only once a backup was complete by then', async () => {
  const scene = await makeScene();
  await storeLog(scene, TWO_SEGMENTS);
  const at = (timeMs: number): RecoveryTarget => ({ time: new Date(timeMs).toISOString() });
  expect(await find(scene, at(manifest.writtenAtMs))).toMatchObject({ sinceMs: manifest.createdAtMs, untilMs: manifest.writtenAtMs });
  await expect(find(scene, at(manifest.writtenAtMs - 1))).rejects.toMatchObject({ code: 'point-not-found' });
});
