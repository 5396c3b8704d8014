import { expect, it } from 'vitest';
import { storePiece } from '../../../../src/activities/backup/piece-store.ts';
import { findPoint } from '../../../../src/activities/recovery-point/find-point.ts';
import type { RecoveryTarget } from '../../../../src/core/recovery/target.ts';
import { sidecarKey } from '../../../../src/core/repository/coded-name.ts';
import type { StreamPiece } from '../../../../src/core/repository/stream-piece.ts';
import { joinedMarks, windowOf } from '../../../../src/core/repository/time-marks.ts';
import { makeSegmentId, makeWalOffset, segmentFileName } from '../../../../src/core/wal/wal-offset.ts';
import type { Store } from '../../../../src/store/store.ts';
import { modelDigest, type ModelEntry } from '../../../fixtures/wal/state-model.ts';
import { archiveLog } from '../../../support/archive-log.ts';
import { manifest } from '../../config/a-manifest.ts';
import { DATABASE, makeScene, replaceObject, runOf, type Scene } from '../scene.ts';
import { created, find, type Placed, recordOf, storeLog } from './model-history.ts';

const [ONE, TWO] = [makeSegmentId(1)!, makeSegmentId(2)!];
/** Of the first look, behind the backup; one look a second. */
const FIRST_LOOK_MS = manifest.writtenAtMs + 60_000;
const lookMs = (index: number): number => FIRST_LOOK_MS + index * 1_000;

type Archived = { scene: Scene; store: Store; placed: Placed[]; looks: StreamPiece[] };

/** A backup of the first record, and each of the others archived by a look of its own. */
async function archived(...segments: string[][]): Promise<Archived> {
  const scene = await makeScene();
  const [[first = '', ...more] = [], ...others] = segments;
  const placed = await storeLog(scene, { segments: [[created(first)]] });
  const store = await scene.deps.openStore(DATABASE);
  const look = archiveLog(store, { timeline: '0001', walDir: `${scene.dataDir}/wal`, from: new Map([[ONE, placed[0]!.endBytes]]) });
  const looks: StreamPiece[] = [];
  const files: Uint8Array[] = [recordOf(created(first), 1)];
  for (const [index, ids] of [more, ...others].entries()) {
    const segment = makeSegmentId(index + 1)!;
    if (index > 0) files.length = 0;
    for (const id of ids) {
      const entry: ModelEntry = created(id);
      const record = recordOf(entry, placed.length + 1);
      const startBytes = files.reduce((sum, { length }) => sum + length, 0);
      files.push(record);
      placed.push({ entry, segment, startBytes, endBytes: startBytes + record.length });
      await scene.writeSegment(Buffer.concat(files), segment);
      looks.push(...(await look(lookMs(looks.length))));
    }
  }
  return { scene, store, placed, looks };
}

function stateOf(placed: readonly Placed[]): { end: string; stateDigest: string; instances: number; records: number } {
  const last = placed.at(-1)!;
  const { digest, instances } = modelDigest(placed.map(({ entry }) => entry));
  return { end: String(makeWalOffset(last.segment, last.endBytes)), stateDigest: digest, instances, records: placed.length };
}

const at = (timeMs: number): RecoveryTarget => ({ time: new Date(timeMs).toISOString() });

/** What the tidy pass does with neighbours: a piece of the log, with its times. */
async function pack({ scene, store }: Archived, pieces: readonly StreamPiece[]): Promise<void> {
  const [first, last] = [pieces[0]!, pieces.at(-1)!];
  const { segment, startBytes } = first;
  const target = { store, timeline: '0001', runId: 'archive' };
  const path = `${scene.dataDir}/wal/${segmentFileName(segment)}`;
  const { signal } = new AbortController();
  await storePiece(target, segment, { path, startBytes, targetBytes: last.endBytes, tornTailMs: 0, signal });
  await store.stream.putTimes('0001', { segment, startBytes, endBytes: last.endBytes, ...windowOf(pieces) }, joinedMarks(pieces, []));
}

it('finds all that is archived beyond the backup, over segments, by any target', async () => {
  const { scene, placed, looks } = await archived(['a', 'b', 'c'], ['d', 'e']);
  const all = stateOf(placed);
  expect(await find(scene, { latest: true })).toMatchObject({
    ...all,
    label: manifest.label,
    sinceMs: lookMs(2),
    untilMs: lookMs(3),
    warnings: [],
  });
  expect(await find(scene, { after: { instance: 'd' } })).toMatchObject(stateOf(placed.slice(0, 4)));
  expect(await find(scene, { sequence: 3 })).toMatchObject({
    ...stateOf(placed.slice(0, 3)),
    sinceMs: looks[2]!.sinceMs,
    untilMs: lookMs(1),
  });
  expect(await find(scene, { offset: all.end })).toMatchObject(all);
  await expect(find(scene, { offset: String(BigInt(all.end) + 1n) })).rejects.toThrow(/is not stored yet; .* and the archive of /);
});

it('ends at a time with what had been seen by then, and never with what may be younger', async () => {
  const { scene, placed } = await archived(['a', 'b', 'c'], ['d', 'e']);
  for (let seen = 0; seen < 4; seen += 1) {
    for (const timeMs of [lookMs(seen), lookMs(seen + 1) - 1]) {
      const found = await find(scene, at(timeMs));
      expect(found).toMatchObject(stateOf(placed.slice(0, seen + 2)));
      expect(found.untilMs).toBeLessThanOrEqual(timeMs);
    }
  }
  expect(await find(scene, at(FIRST_LOOK_MS - 1))).toMatchObject({
    ...stateOf(placed.slice(0, 1)),
    untilMs: manifest.writtenAtMs,
    warnings: [],
  });
});

it('knows the times as well when the small objects are gone, within the log that a backup has stored too', async () => {
  const built = await archived(['a', 'b', 'c', 'd']);
  const { scene, store, placed, looks } = built;
  await pack(built, looks);
  await store.stream.remove(looks);
  expect(await find(scene, at(lookMs(1)))).toMatchObject({ ...stateOf(placed.slice(0, 3)), sinceMs: lookMs(1), untilMs: lookMs(1) });
  await store.backups.put({ ...(await newerManifest(built)), writtenAtMs: lookMs(50), createdAtMs: lookMs(49) });
  expect(await find(scene, at(lookMs(1) + 999))).toMatchObject({ ...stateOf(placed.slice(0, 3)), untilMs: lookMs(1) });
  expect(await find(scene, at(lookMs(50)))).toMatchObject({ ...stateOf(placed), label: '20261124T161500Z-hot' });
});

async function newerManifest({ store, placed }: Archived): Promise<typeof manifest> {
  const before = await store.backups.read(manifest.label);
  const [segment] = before.segments;
  const { startBytes, endBytes } = { startBytes: segment!.ranges.at(-1)!.endBytes, endBytes: placed.at(-1)!.endBytes };
  const { sha256, records } = await store.pieces.sidecar(store.pieces.at('0001', { segment: ONE, startBytes, endBytes }), {
    runId: 'test',
  });
  const { digest, instances } = modelDigest(placed.map(({ entry }) => entry));
  const ranges = [...segment!.ranges, { timeline: '0001', startBytes, endBytes, sha256, records }];
  const counted = { records: placed.length, instances, stateDigest: digest };
  return { ...before, ...counted, label: '20261124T161500Z-hot', runId: 'newer', segments: [{ segment: ONE, ranges }] };
}

it('says what is taken for a time that is beyond all that is stored', async () => {
  const { scene, placed } = await archived(['a', 'b']);
  const found = await find(scene, at(lookMs(600)));
  expect(found).toMatchObject(stateOf(placed));
  expect(found.warnings).toEqual([
    {
      code: 'time-beyond-stored',
      message: `${new Date(lookMs(600)).toISOString()} is later than anything that is stored: the archive last saw something new at ${new Date(lookMs(0)).toISOString()}; the recovery ends there, at offset ${found.end}`,
    },
  ]);
});

it('has no point behind an object that is lost, and says so', async () => {
  const { scene, store, placed, looks } = await archived(['a', 'b', 'c', 'd'], ['e']);
  await store.stream.remove([looks[1]!]);
  const upTo = stateOf(placed.slice(0, 2));
  const from = `the archive lacks the log from offset ${upTo.end} on; points up to offset ${upTo.end} can be had`;
  const all = stateOf(placed);
  for (const target of [{ latest: true }, { offset: all.end }, { after: { instance: 'e' } }, { sequence: 4 }, at(lookMs(3))]) {
    await expect(find(scene, target)).rejects.toMatchObject({ code: 'wal-gap', message: expect.stringContaining(from) as string });
  }
  expect(await find(scene, at(lookMs(0)))).toMatchObject(upTo);
  expect(await find(scene, { sequence: 2 })).toMatchObject(upTo);
  const best = await findPoint(scene.deps)({ database: DATABASE, target: { latest: true }, isBestEffort: true }, runOf('best'));
  expect(best).toMatchObject({ ...upTo, warnings: [{ code: 'wal-gap' }] });
});

it('does without a damaged object that another covers, and else ends before it', async () => {
  const built = await archived(['a', 'b', 'c', 'd']);
  const { scene, store, placed, looks } = built;
  await replaceObject(scene.repository, looks[1]!.key, Buffer.from('no such thing'));
  await expect(find(scene, { latest: true })).rejects.toMatchObject({
    code: 'wal-gap',
    message: expect.stringMatching(
      new RegExp(`${looks[1]!.key}.*points up to offset ${stateOf(placed.slice(0, 2)).end} can be had`),
    ) as string,
  });
  await pack(built, looks.slice(0, 2));
  expect(await find(scene, { latest: true })).toMatchObject(stateOf(placed));
  // A piece of the log without its sidecar is read.
  const piece = (await (await scene.deps.openStore(DATABASE)).pieces.of('0001')).find(({ startBytes }) => startBytes > 0)!;
  await scene.repository.deleteMany([sidecarKey(piece.key)]);
  expect(await find(scene, { latest: true })).toMatchObject(stateOf(placed));
  await store.stream.remove(looks.slice(0, 2));
  expect(await find(scene, { latest: true })).toMatchObject(stateOf(placed));
});

it('takes nothing of a newer segment that only a backup has stored, which may have left an older one behind', async () => {
  const { scene, store, placed, looks } = await archived(['a', 'b', 'c'], ['d']);
  await store.stream.remove(looks.slice(1));
  const path = await scene.writeSegment(recordOf(created('d'), 4), TWO);
  const { signal } = new AbortController();
  const target = { store, timeline: '0001', runId: 'dies' };
  await storePiece(target, TWO, { path, startBytes: 0, targetBytes: 1, tornTailMs: 0, signal });
  expect(await find(scene, { latest: true })).toMatchObject(stateOf(placed.slice(0, 2)));
});
