import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalJson, topLevelMembers } from '../../../../src/core/json/canonical-json.ts';
import { readKeptLine, settledInstance } from '../../../../src/core/state/kept-instance.ts';
import { checkpointFits, createReplayIndex } from '../../../../src/core/state/replay-index.ts';
import { createStateDigest, instanceHash, machineHash } from '../../../../src/core/state/state-digest.ts';
import type { Extent, SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { goldenLive, goldenSegment } from '../../../fixtures/wal/golden.ts';
import { type PayloadLog, replayLog, sha256 } from '../../../fixtures/wal/replay.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';
import { modelDigest, modelEntries, type ModelEntry } from '../../../fixtures/wal/state-model.ts';

const FIRST = 1 as SegmentId;
const SECOND = 2 as SegmentId;
const encode = (entry: object) => new TextEncoder().encode(JSON.stringify(entry));

test('comes from the log of a real server to the digest of what that server answers', () => {
  const log: PayloadLog = new Map([[FIRST, scanAll([goldenSegment()]).records.map(({ payload }) => payload)]]);
  const { counts, digest } = replayLog(log);
  expect(counts).toEqual({ machines: 4, instances: 6, deleted: 1 });
  expect(digest).toBe(liveDigest());
});

test('comes to the same state as a replay that keeps everything', () => {
  fc.assert(
    fc.property(fc.array(modelEntries, { maxLength: 40 }), (entries) => {
      const { counts, digest } = replayLog(new Map([[FIRST, entries.map(encode)]]));
      expect({ ...counts, digest }).toEqual({ machines: 0, ...modelDigest(entries) });
    }),
    { numRuns: 500 },
  );
});

test('comes to the same state when it goes on from one that was kept, which knows of an instance only what is asked', () => {
  const parts = fc.tuple(
    fc.array(modelEntries, { maxLength: 30 }),
    fc.array(modelEntries, { maxLength: 30 }),
    fc.array(modelEntries, { maxLength: 5 }),
  );
  fc.assert(
    fc.property(parts, ([before, after, inNextSegment]) => {
      const first = replayLog(new Map([[FIRST, before.map(encode)]]));
      const log: PayloadLog = new Map([
        [FIRST, [...before, ...after].map(encode)],
        [SECOND, inNextSegment.map(encode)],
      ]);
      expect(replayLog(log, first)).toEqual(replayLog(log));
    }),
    { numRuns: 300 },
  );
});

test('comes to the same state when it goes on in the middle of a real log', () => {
  const payloads = scanAll([goldenSegment()]).records.map(({ payload }) => payload);
  const full = replayLog(new Map([[FIRST, payloads]]));
  for (let count = 0; count <= payloads.length; count += 1) {
    const first = replayLog(new Map([[FIRST, payloads.slice(0, count)]]));
    const later = replayLog(new Map([[FIRST, payloads]]), first);
    expect(later.digest).toBe(full.digest);
    expect(later.counts).toEqual(full.counts);
    expect(later.instances).toEqual(full.instances);
  }
});

test('changes only those instances of an earlier state that a record since then has changed', () => {
  const before = [create('a'), create('b'), create('c'), create('d'), remove('d')];
  const first = replayLog(new Map([[FIRST, before.map(encode)]]));
  const index = createReplayIndex({ machines: first.machines, hasInstances: true });
  const after: ModelEntry[] = [create('b'), event('c'), event('a'), event('unknown'), remove('d')];
  for (const [startBytes, entry] of after.entries()) index.apply(SECOND, { startBytes, endBytes: startBytes + 1, payload: encode(entry) });
  const changed = [...index.instances()].flatMap((instance) => {
    const line = first.instances.get(instance.id);
    const known = line === undefined ? undefined : readKeptLine(line, new Map());
    const now = settledInstance(instance, known);
    return now === undefined || now === known ? [] : [now];
  });
  expect(changed.map(({ id }) => id)).toEqual(['c', 'a']);
  expect(changed.at(-1)?.last).toEqual({ segment: SECOND, startBytes: 2, endBytes: 3 });
});

test('lets the first usable definition of a version win', () => {
  const index = createReplayIndex();
  const put = (definition: unknown) => {
    const payload = encode({ type: 'put_machine', machine: 'm', version: 1, definition_hash: '', definition });
    expect(index.apply(FIRST, { startBytes: 0, endBytes: 1, payload })).toBe(true);
  };
  put(null);
  put({ states: 'no list' });
  expect(index.counts().machines).toBe(0);
  put({ states: ['first'], initial: 'first', transitions: [] });
  put({ states: ['second'], initial: 'second', transitions: [] });
  expect([...index.machines()].map(({ definition }) => definition)).toEqual(['{"initial":"first","states":["first"],"transitions":[]}']);
});

test('says so where a payload is no entry', () => {
  const index = createReplayIndex();
  expect(index.apply(FIRST, { startBytes: 0, endBytes: 1, payload: new TextEncoder().encode('{}') })).toBe(false);
});

function liveDigest(): string {
  const digest = createStateDigest();
  const live = goldenLive();
  for (const { name, version, resultText } of live.machines) {
    const definition = canonicalJson(topLevelMembers(resultText).get('definition') ?? '');
    digest.add(machineHash({ name, version, definition }, sha256));
  }
  for (const { id, resultText } of live.instances) {
    const { machine, version, state } = JSON.parse(resultText) as { machine: string; version: number; state: string };
    digest.add(instanceHash({ id, machine, version, state, ctx: canonicalJson(topLevelMembers(resultText).get('ctx') ?? '') }, sha256));
  }
  return digest.hex();
}

function create(id: string): ModelEntry {
  return { type: 'create_instance', instance_id: id, machine: 'order', version: 1, initial_state: 'created', initial_ctx: { id } };
}

function event(id: string): ModelEntry {
  return {
    type: 'apply_event',
    instance_id: id,
    event: 'E',
    from_state: 'created',
    to_state: 'paid',
    payload: null,
    ctx: { id, paid: true },
  };
}

function remove(id: string): ModelEntry {
  return { type: 'delete_instance', instance_id: id };
}

test('fits where only its last segment has grown and newer ones have come', () => {
  const checkpoint = extentsOf([1, 100], [2, 50]);
  expect(checkpointFits(checkpoint, extentsOf([1, 100], [2, 50]))).toBe(true);
  expect(checkpointFits(checkpoint, extentsOf([2, 70], [1, 100]))).toBe(true);
  expect(checkpointFits(checkpoint, extentsOf([1, 100], [2, 50], [3, 1], [5, 1]))).toBe(true);
  expect(checkpointFits([], extentsOf([1, 100]))).toBe(true);
});

test('does not fit a log that changed before its end', () => {
  const checkpoint = extentsOf([2, 100], [4, 50]);
  expect(checkpointFits(checkpoint, extentsOf([2, 101], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 99], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100], [4, 49]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([1, 5], [2, 100], [4, 50]))).toBe(false);
  expect(checkpointFits(checkpoint, extentsOf([2, 100], [3, 5], [4, 50]))).toBe(false);
});

function extentsOf(...pairs: [segment: number, endBytes: number][]): Extent[] {
  return pairs.map(([segment, endBytes]) => ({ segment: segment as SegmentId, endBytes }));
}
