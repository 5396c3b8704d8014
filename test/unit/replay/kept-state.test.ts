import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { encodeRecord, recordTypes } from '../../../src/core/wal/record.ts';
import { type Extent, makeSegmentId, type SegmentId } from '../../../src/core/wal/wal-offset.ts';
import type { CheckpointFile } from '../../../src/io/agent-state/digest-checkpoint.ts';
import { UnsoundCheckpoint } from '../../../src/io/agent-state/instance-runs.ts';
import { crc32c } from '../../../src/io/checksum/checksum.ts';
import {
  allInstances,
  emptyState,
  indexAfter,
  keepState,
  type KeptState,
  openState,
  settleOn,
  spill,
} from '../../../src/replay/kept-state.ts';
import { readRecords, replaySegments } from '../../../src/replay/replay-segments.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { modelDigest, type ModelEntry, modelEntries } from '../../fixtures/wal/state-model.ts';
import { BOUNDARIES, runOf } from '../activities/scene.ts';

const SEGMENT = makeSegmentId(1)!;
const golden = goldenSegment();

type Place = { file: CheckpointFile; folder: string; log: (bytes: Uint8Array) => Promise<Source> };
type Source = { extents: Extent[]; pathOf: (segment: SegmentId) => string; damageCode: 'source-damaged' };

async function makePlace(): Promise<Place> {
  const stateDir = await mkdtemp(join(tmpdir(), 'rstow-kept-state-'));
  onTestFinished(() => rm(stateDir, { recursive: true, force: true }));
  const path = join(stateDir, 'segment.wal');
  return {
    file: { stateDir, database: 'orders', binding: { timeline: '0001', walInode: '4711' } },
    folder: join(stateDir, 'orders', 'digest'),
    log: async (bytes) => {
      await writeFile(path, bytes);
      return { extents: [{ segment: SEGMENT, endBytes: bytes.length }], pathOf: () => path, damageCode: 'source-damaged' };
    },
  };
}

/** Goes on from the state up to the end of the log. */
async function replayOn(state: KeptState, source: Source): Promise<KeptState> {
  const index = indexAfter(state);
  await readRecords({ source, from: state.extents, run: runOf('run') }, () => index);
  await settleOn(state, index, source);
  return state;
}

/** One backup after another, each from what the one before has kept. */
async function backUp({ file }: Place, source: Source): Promise<KeptState> {
  const state = await replayOn((await openState(file)) ?? emptyState(file), source);
  await keepState(state, source.extents);
  return state;
}

async function idsOf(state: KeptState): Promise<string[]> {
  const ids: string[] = [];
  for await (const instances of allInstances(state)) ids.push(...instances.map(({ id }) => id));
  return ids;
}

it('comes to the digest of a whole replay, however many backups there were', async () => {
  const place = await makePlace();
  for (const endBytes of BOUNDARIES.slice(1)) {
    const source = await place.log(golden.subarray(0, endBytes));
    const { digest, instances, machines } = await backUp(place, source);
    const whole = await replaySegments(source, runOf('run'));
    expect({ digest, instances, machines: machines.length }).toEqual({
      digest: whole.stateDigest,
      instances: whole.index.counts().instances,
      machines: whole.index.counts().machines,
    });
  }
  const { extents, instances, deleted } = (await openState(place.file))!;
  expect(extents).toEqual([{ segment: SEGMENT, endBytes: golden.length }]);
  expect({ instances, deleted }).toEqual({ instances: 6, deleted: 1 });
});

const TYPES: Record<ModelEntry['type'], number> = {
  create_instance: recordTypes.createInstance,
  apply_event: recordTypes.applyEvent,
  delete_instance: recordTypes.deleteInstance,
  checkpoint: recordTypes.checkpoint,
};

const recordOf = (entry: ModelEntry, sequence: number): Uint8Array =>
  encodeRecord({ type: TYPES[entry.type], sequence, payload: Buffer.from(JSON.stringify(entry)) }, crc32c);

it('comes to the state of a model, whatever the records say and wherever a backup ends, a part is settled, or files are merged', async () => {
  const parts = fc.array(fc.record({ entries: fc.array(modelEntries, { maxLength: 6 }), isKept: fc.boolean() }), { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(parts, async (all) => {
      const place = await makePlace();
      let state = emptyState(place.file);
      let index = indexAfter(state);
      const log: Uint8Array[] = [];
      for (const { entries, isKept } of all) {
        for (const entry of entries) {
          const startBytes = Buffer.concat(log).length;
          const record = recordOf(entry, log.push() + 1);
          log.push(record);
          index.apply(SEGMENT, { startBytes, endBytes: startBytes + record.length, payload: Buffer.from(JSON.stringify(entry)) });
        }
        const source = await place.log(Buffer.concat(log));
        await settleOn(state, index, source);
        if (isKept) {
          await keepState(state, source.extents);
          state = (await openState(place.file))!;
        } else await spill(state);
        index = indexAfter(state);
      }
      const { digest, instances, deleted } = state;
      expect({ digest, instances, deleted }).toEqual(modelDigest(all.flatMap(({ entries }) => entries)));
      const ids = await idsOf(state);
      expect(ids).toEqual(ids.toSorted());
      expect(new Set(ids).size).toBe(instances + deleted);
    }),
    { numRuns: 60 },
  );
}, 60_000);

it('keeps few files however many backups change it, and none that it does not need', async () => {
  const place = await makePlace();
  const create = (id: string): ModelEntry => ({
    type: 'create_instance',
    instance_id: id,
    machine: 'order',
    version: 1,
    initial_state: 'created',
    initial_ctx: { id },
  });
  const records: Uint8Array[] = [];
  let most = 0;
  for (let count = 0; count < 60; count += 1) {
    records.push(recordOf(create(`order-${count}`), count));
    await backUp(place, await place.log(Buffer.concat(records)));
    most = Math.max(most, (await readdir(place.folder)).length);
  }
  expect(most).toBeLessThanOrEqual(13);
  const state = (await openState(place.file))!;
  expect(await idsOf(state)).toHaveLength(60);
  await writeFile(join(place.folder, `${'0'.repeat(36)}.run`), 'what a killed agent left');
  records.push(recordOf(create('last'), 61));
  await backUp(place, await place.log(Buffer.concat(records)));
  const names = (await readdir(place.folder)).toSorted();
  expect(names).toEqual(['checkpoint.json', ...(await openState(place.file))!.runs.map(({ file }) => `${file!.name}.run`)].toSorted());
});

it('is worth nothing to another timeline, another wal/ folder, or another database', async () => {
  const place = await makePlace();
  await backUp(place, await place.log(golden));
  const { file } = place;
  const { binding } = file;
  expect(await openState(file)).toBeDefined();
  expect(await openState({ ...file, binding: { ...binding, timeline: '0002' } })).toBeUndefined();
  expect(await openState({ ...file, binding: { ...binding, walInode: '4712' } })).toBeUndefined();
  expect(await openState({ ...file, database: 'stock' })).toBeUndefined();
});

it('is worth nothing with any flipped bit, or cut short, or without one of its files', async () => {
  const place = await makePlace();
  const whole = await place.log(golden);
  await backUp(place, { ...whole, extents: [{ segment: SEGMENT, endBytes: BOUNDARIES[9]! }] });
  await backUp(place, whole);
  const isWorthless = async (): Promise<boolean> => {
    const state = await openState(place.file);
    return state === undefined || (await idsOf(state).catch((error: unknown) => error)) instanceof UnsoundCheckpoint;
  };
  expect(await isWorthless()).toBe(false);
  for (const name of await readdir(place.folder)) {
    const path = join(place.folder, name);
    const sound = await readFile(path);
    for (let at = 0; at < sound.length; at += 1) {
      const flipped = Uint8Array.from(sound);
      flipped[at] = flipped[at]! ^ (1 << (at & 7));
      await writeFile(path, flipped);
      expect(await isWorthless(), `${name} at ${at}`).toBe(true);
    }
    for (const sizeBytes of [0, 1, sound.length >> 1, sound.length - 1]) {
      await writeFile(path, sound.subarray(0, sizeBytes));
      expect(await isWorthless(), `${name} of ${sizeBytes}`).toBe(true);
    }
    await rm(path);
    expect(await isWorthless()).toBe(true);
    await writeFile(path, sound);
  }
  expect(await isWorthless()).toBe(false);
}, 60_000);

it('stays as it was where the log can not be read', async () => {
  const place = await makePlace();
  const state = await replayOn(emptyState(place.file), await place.log(golden));
  const before = { ...state, runs: [...state.runs] };
  const index = indexAfter(state);
  index.apply(SEGMENT, {
    startBytes: 0,
    endBytes: 9,
    payload: Buffer.from('{"type":"create_instance","instance_id":"x","machine":"order","version":1}'),
  });
  await expect(settleOn(state, index, { ...(await place.log(golden)), pathOf: () => '/nowhere' })).rejects.toMatchObject({
    code: 'data-directory-replaced',
  });
  expect(state).toEqual(before);
});
