import fc from 'fast-check';
import { expect, it } from 'vitest';
import { storePiece } from '../../../../src/activities/backup/piece-store.ts';
import { explainPoint } from '../../../../src/activities/recovery-point/explain-point.ts';
import { findPoint, type FoundPoint } from '../../../../src/activities/recovery-point/find-point.ts';
import type { Warning } from '../../../../src/contract/result.ts';
import type { RecoveryTarget } from '../../../../src/core/recovery/target.ts';
import { manifestKey } from '../../../../src/core/repository/object-keys.ts';
import { encodeRecord, recordTypes } from '../../../../src/core/wal/record.ts';
import { makeSegmentId, makeWalOffset, type SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import type { Manifest } from '../../../../src/formats/repository/manifest.ts';
import { crc32c } from '../../../../src/io/checksum/checksum.ts';
import { putManifest } from '../../../../src/store/backups.ts';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { modelDigest, modelEntries, type ModelEntry } from '../../../fixtures/wal/state-model.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, makeScene, OWNER, replaceObject, runOf, type Scene } from '../scene.ts';

const TYPES = { create_instance: 2, apply_event: 3, delete_instance: 4, checkpoint: recordTypes.checkpoint };

/** The entries of each segment. */
type Log = {
  segments: readonly (readonly ModelEntry[])[];
  missing?: readonly number[];
  /** Of all records; 1, 2, 3 if absent. */ numbers?: readonly number[];
  warnings?: Warning[];
};
type Placed = { entry: ModelEntry; segment: SegmentId; startBytes: number; endBytes: number };

/** Stores the log as one backup has it; gives where its records lie. */
async function storeLog(scene: Scene, { segments, missing = [], numbers = [], warnings = [] }: Log): Promise<Placed[]> {
  const { deps, repository, writeSegment } = scene;
  await claimOwnership(repository, DATABASE, OWNER);
  const placed: Placed[] = [];
  const stored: Manifest['segments'] = [];
  for (const [index, entries] of segments.entries()) {
    const segment = makeSegmentId(index + 1)!;
    const records = entries.map((entry, own) => {
      const sequence = numbers[placed.length + own] ?? placed.length + own + 1;
      return encodeRecord({ type: TYPES[entry.type], sequence, payload: Buffer.from(JSON.stringify(entry)) }, crc32c);
    });
    let startBytes = 0;
    for (const [own, record] of records.entries()) {
      placed.push({ entry: entries[own]!, segment, startBytes, endBytes: startBytes + record.length });
      startBytes += record.length;
    }
    if (missing.includes(segment)) continue;
    const path = await writeSegment(Buffer.concat(records), segment);
    if (entries.length === 0) {
      stored.push({ segment, ranges: [] });
      continue;
    }
    const target = { store: await deps.openStore(DATABASE), timeline: '0001', runId: 'backup' };
    const { signal } = new AbortController();
    const { sha256, endBytes, ...content } = await storePiece(target, segment, {
      path,
      startBytes: 0,
      targetBytes: startBytes,
      tornTailMs: 0,
      signal,
    });
    stored.push({ segment, ranges: [{ timeline: '0001', startBytes: 0, endBytes, sha256, records: content.records }] });
  }
  const { digest, instances } = modelDigest(segments.flat());
  await putManifest(repository, {
    ...manifest,
    segments: stored,
    records: placed.length,
    machines: 0,
    instances,
    stateDigest: digest,
    warnings,
  });
  return placed;
}

let runs = 0;
const find = (scene: Scene, target: RecoveryTarget): Promise<FoundPoint> =>
  findPoint(scene.deps)({ database: DATABASE, target }, runOf(`run-${(runs += 1)}`));

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

const created = (id: string): ModelEntry => ({
  type: 'create_instance',
  instance_id: id,
  machine: 'order',
  version: 1,
  initial_state: 'created',
  initial_ctx: null,
});

const TWO_SEGMENTS: Log = { segments: [[created('a'), created('b')], [created('c')], [created('d')]] };

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
  await expect(find(scene, target)).rejects.toThrow('the stored log has 0 such of its 1 records');
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

/** An earlier backup, of the first segments alone. */
async function storeEarlier(scene: Scene, segmentCount: number, changes: Partial<Manifest>): Promise<Manifest> {
  const { segments } = await (await scene.deps.openStore(DATABASE)).backups.read(manifest.label);
  const earlier = { ...manifest, runId: 'earlier', segments: segments.slice(0, segmentCount), ...changes };
  return putManifest(scene.repository, earlier);
}

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

it('shows the next record behind an empty segment, and of a name as long as a record its beginning', async () => {
  const scene = await makeScene();
  const [long, longer] = ['x'.repeat(100_000), 'y'.repeat(100_000)];
  await storeLog(scene, { segments: [[created('a'), created(long)], [], [created(longer)]] });
  const { pointKey } = await find(scene, { sequence: 2 });
  const explain = explainPoint(scene.deps);
  const explained = await explain({ database: DATABASE, repository: 'local', pointKey, isInPlace: true }, runOf('explains'));
  expect(explained.lastRecords.map(({ instance }) => instance)).toEqual(['a', `${'x'.repeat(512)}…`]);
  expect(explained.nextRecord).toMatchObject({ type: 'create_instance', instance: `${'y'.repeat(512)}…`, sequence: 3 });
  expect(explained.difference).toMatchObject({ instancesDeleted: { count: 1, first: [`${'y'.repeat(512)}…`] } });
});
