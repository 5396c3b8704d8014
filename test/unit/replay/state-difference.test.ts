import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { TimelineNode } from '../../../src/core/backup/history.ts';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';
import type { Extent, SegmentId } from '../../../src/core/wal/wal-offset.ts';
import { commonPrefix, differenceBetween, filesSource, type LogSource } from '../../../src/replay/state-difference.ts';
import { modelLog, type PlacedRecord } from '../../fixtures/wal/model-log.ts';
import { modelEntries, type ModelEntry } from '../../fixtures/wal/state-model.ts';

const extent = (segment: number, endBytes: number): Extent => ({ segment: segment as SegmentId, endBytes });
const shared = (...extents: Extent[]): Map<SegmentId, number> => new Map(extents.map(({ segment, endBytes }) => [segment, endBytes]));

it('takes two logs for the same up to the first segment in which one has more', () => {
  const one = [extent(1, 100), extent(2, 200), extent(3, 50)];
  const other = [extent(1, 100), extent(2, 150)];
  expect(commonPrefix(one, other, shared(extent(1, 100), extent(2, 150)))).toEqual(extent(2, 150));
  expect(commonPrefix(one, other, shared(extent(1, 80), extent(2, 150)))).toEqual(extent(1, 80));
  expect(commonPrefix(one, other, shared(extent(1, 100)))).toEqual(extent(1, 100));
  expect(commonPrefix(one, other, new Map())).toBeUndefined();
  expect(commonPrefix(one, [extent(2, 200)], shared(extent(2, 200)))).toBeUndefined();
  expect(commonPrefix(one, one, shared(...one))).toEqual(extent(3, 50));
});

function extentsOf(log: readonly PlacedRecord[]): Extent[] {
  const ends = new Map<SegmentId, number>();
  for (const { segment, record } of log) ends.set(segment, record.endBytes);
  return [...ends].map(([segment, endBytes]) => ({ segment, endBytes }));
}

/** A log in memory. `lateBytes` of something that is no record yet stand behind its end. */
function sourceOf(timeline: string, log: readonly PlacedRecord[], lateBytes = 0): LogSource & { reads: () => number } {
  const extents = extentsOf(log);
  const last = extents.at(-1);
  if (last !== undefined) last.endBytes += lateBytes;
  let reads = 0;
  const isFrom = ({ segment, record }: PlacedRecord, from: Extent | undefined): boolean =>
    from === undefined || segment > from.segment || (segment === from.segment && record.startBytes >= from.endBytes);
  const isTo = ({ segment, record }: PlacedRecord, to: Extent | undefined): boolean =>
    to === undefined || segment < to.segment || (segment === to.segment && record.endBytes <= to.endBytes);
  return {
    timeline,
    extents,
    reads: () => reads,
    read: async ({ from, to }, see) => {
      for (const placed of log) {
        if (!isFrom(placed, from) || !isTo(placed, to)) continue;
        reads += 1;
        see(placed.segment, { ...placed.record, type: 1, crc32c: 0 });
      }
      return Promise.resolve();
    },
    payloads: async (ranges, see) => {
      for (const range of ranges) {
        const placed = log.find(({ segment, record }) => segment === range.segment && record.startBytes === range.startBytes);
        see(range, placed!.record.payload);
      }
      return Promise.resolve();
    },
    damaged: (segment) => new RstowError('damaged-object', `segment ${segment}`),
  };
}

/** What the server makes of the entries, as text. */
function statesOf(entries: readonly ModelEntry[]): Map<string, string> {
  const states = new Map<string, { machine: string; state: string; ctx: unknown }>();
  for (const entry of entries) {
    if (entry.type === 'checkpoint') continue;
    const { instance_id: id } = entry;
    const known = states.get(id);
    if (entry.type === 'delete_instance') states.delete(id);
    else if (entry.type === 'apply_event') {
      if (known !== undefined) states.set(id, { ...known, state: entry.to_state, ctx: entry.ctx });
    } else if (known === undefined) {
      states.set(id, { machine: `${entry.machine}/${entry.version}`, state: entry.initial_state, ctx: entry.initial_ctx });
    }
  }
  return new Map([...states].map(([id, { ctx, ...state }]) => [id, JSON.stringify([state, sortedText(ctx)])]));
}

function sortedText(ctx: unknown): string {
  return typeof ctx === 'object' && ctx !== null ? JSON.stringify(Object.entries(ctx).sort()) : JSON.stringify(ctx);
}

/** 0002 has left 0001 where the shared entries end. */
function forkAfter(log: readonly PlacedRecord[]): ReadonlyMap<string, TimelineNode> {
  return new Map<string, TimelineNode>([
    ['0001', { timeline: '0001', parent: null }],
    ['0002', { timeline: '0002', parent: { timeline: '0001', extents: extentsOf(log) } }],
  ]);
}

it('tells of any two branches what comparing their states one by one tells, and replays once what they share', async () => {
  const [entries, few] = [fc.array(modelEntries, { maxLength: 12 }), fc.array(modelEntries, { maxLength: 6 })];
  const branch = fc.tuple(few, few);
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(entries, few),
      fc.tuple(branch, branch),
      fc.nat({ max: 30 }),
      async ([first, second], [one, other], lateBytes) => {
        const common = modelLog(first, second);
        const [before, after] = [one, other].map(([inSecond, inThird]) => modelLog(first, [...second, ...inSecond], inThird));
        const [left, inUse] = [sourceOf('0001', before!), sourceOf('0002', after!, lateBytes)];
        const { difference } = await differenceBetween(forkAfter(common), left, inUse);
        const [was, is] = [one, other].map((parts) => statesOf([first, second, ...parts].flat()));
        expect(difference.instancesCreated.first).toEqual([...is!.keys()].filter((id) => !was!.has(id)).sort());
        expect(difference.instancesDeleted.first).toEqual([...was!.keys()].filter((id) => !is!.has(id)).sort());
        expect(difference.instancesChanged.first).toEqual(
          [...is!]
            .filter(([id, state]) => was!.has(id) && was!.get(id) !== state)
            .map(([id]) => id)
            .sort(),
        );
        expect(left.reads() + inUse.reads()).toBe(before!.length + after!.length - common.length);
      },
    ),
    { numRuns: 300 },
  );
});

it('tells of a log in place that has lost its end what stands in the stored one behind it', async () => {
  const entry = (id: string): ModelEntry => ({
    type: 'create_instance',
    instance_id: id,
    machine: 'order',
    version: 1,
    initial_state: 's',
    initial_ctx: null,
  });
  const stored = modelLog([entry('a'), entry('b'), entry('c')]);
  const timelines: ReadonlyMap<string, TimelineNode> = new Map([['0001', { timeline: '0001', parent: null }]]);
  for (let lateBytes = 0; lateBytes < 40; lateBytes += 13) {
    const inPlace = sourceOf('0001', stored.slice(0, 1), lateBytes);
    const found = await differenceBetween(timelines, inPlace, sourceOf('0001', stored));
    expect(found.difference.instancesCreated).toEqual({ count: 2, first: ['b', 'c'] });
    const back = await differenceBetween(timelines, sourceOf('0001', stored), inPlace);
    expect(back.difference.instancesDeleted).toEqual({ count: 2, first: ['b', 'c'] });
    expect(back.afterEnd).toEqual({ segment: 1, endBytes: stored[0]!.record.endBytes });
  }
});

it('refuses to compare a log in place whose beginning compaction has deleted', () => {
  const file = { segment: 2 as SegmentId, fileName: '', path: '', sizeBytes: 1, inode: '' };
  const run = { signal: new AbortController().signal, report: () => undefined };
  const placed = { files: [file], timeline: '0001', timelines: new Map() };
  expect(() => filesSource(placed, run)).toThrow('the log in place lacks segment 1');
  const baselined = new Map([['0001', { timeline: '0001', baseline: file.segment, parent: null }]]);
  expect(filesSource({ ...placed, timelines: baselined }, run).extents).toEqual([{ segment: 2, endBytes: 1 }]);
});
