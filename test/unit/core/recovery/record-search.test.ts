import fc from 'fast-check';
import { expect, it } from 'vitest';
import { describeRecord } from '../../../../src/core/recovery/log-record.ts';
import { type RecordSearch, searchEvent, searchOffset, searchSequence } from '../../../../src/core/recovery/record-search.ts';
import type { TargetEvent } from '../../../../src/core/recovery/target.ts';
import type { Extent, SegmentId } from '../../../../src/core/wal/wal-offset.ts';
import { modelLog, type PlacedRecord } from '../../../fixtures/wal/model-log.ts';
import { modelEntries } from '../../../fixtures/wal/state-model.ts';

/** As reading the log does it: no record is shown any more once the search is decided. */
function search<Search extends RecordSearch>(log: readonly PlacedRecord[], searching: Search): Search {
  for (const { segment, record } of log) if (!searching.isDecided()) searching.see(segment, record);
  return searching;
}

const endOf = ({ segment, record }: PlacedRecord): Extent => ({ segment, endBytes: record.endBytes });
const startOf = ({ segment, record }: PlacedRecord): Extent => ({ segment, endBytes: record.startBytes });

/** Numbers as a race of two writers leaves them: 12 stands behind 13. */
const RACED = modelLog([{ type: 'checkpoint' }, { type: 'checkpoint' }, { type: 'checkpoint' }, { type: 'checkpoint' }]);
for (const [at, sequence] of [10, 13, 12, 15].entries()) RACED[at]!.record.sequence = sequence;

it('ends just behind the record of a number, and names the higher ones before it', () => {
  const searching = search(RACED, searchSequence(12));
  expect(searching.found()).toEqual(endOf(RACED[2]!));
  expect(searching.higher()).toEqual({ count: 1, first: [13] });
  expect(searching.isDecided()).toBe(true);
});

it('names the nearest numbers of one that there is not', () => {
  const nearest = (sequence: number) => search(RACED, searchSequence(sequence)).nearest();
  expect(nearest(11)).toEqual({ below: 10, above: 12 });
  expect(nearest(14)).toEqual({ below: 13, above: 15 });
  expect(nearest(2)).toEqual({ above: 10 });
  expect(nearest(99)).toEqual({ below: 15 });
  expect(search(RACED, searchSequence(14)).found()).toBeUndefined();
});

it('counts all higher numbers, and names the first five', () => {
  const log = modelLog(Array.from({ length: 9 }, () => ({ type: 'checkpoint' as const })));
  for (const { record } of log) record.sequence += 100;
  log.at(-1)!.record.sequence = 3;
  expect(search(log, searchSequence(3)).higher()).toEqual({ count: 8, first: [110, 111, 112, 113, 114] });
});

it('counts a number above 2^53, which a flipped bit has made, and does not name it', () => {
  const log = modelLog([{ type: 'checkpoint' }, { type: 'checkpoint' }, { type: 'checkpoint' }]);
  for (const [at, sequence] of [2 ** 60, 9, 3].entries()) log[at]!.record.sequence = sequence;
  expect(search(log, searchSequence(3)).higher()).toEqual({ count: 2, first: [9] });
});

it('finds the last record boundary at or before an offset, and never one of another segment', () => {
  const log = modelLog([{ type: 'checkpoint' }, { type: 'checkpoint' }], [{ type: 'checkpoint' }]);
  const size = log[0]!.record.endBytes;
  const at = (segment: number, endBytes: number) => search(log, searchOffset({ segment: segment as SegmentId, endBytes })).found();
  expect(at(1, 0)).toEqual({ segment: 1, endBytes: 0 });
  expect(at(1, size - 1)).toEqual({ segment: 1, endBytes: 0 });
  expect(at(1, size)).toEqual({ segment: 1, endBytes: size });
  expect(at(1, size + 1)).toEqual({ segment: 1, endBytes: size });
  expect(at(1, 1_000_000)).toEqual({ segment: 1, endBytes: 2 * size });
  expect(at(2, size - 1)).toEqual({ segment: 2, endBytes: 0 });
});

const events = fc.record(
  {
    instance: fc.constantFrom('i-1', 'with "quotes"', 'ü'),
    event: fc.constantFrom('E', 'F'),
    record: fc.constantFrom('create' as const, 'event' as const, 'delete' as const),
    occurrence: fc.integer({ min: 1, max: 4 }),
  },
  { requiredKeys: ['instance'] },
);

const KINDS = { create: 'create_instance', event: 'apply_event', delete: 'delete_instance' } as const;

function matching(log: readonly PlacedRecord[], { instance, event, record }: TargetEvent): PlacedRecord[] {
  return log.filter((placed) => {
    const described = describeRecord(placed.segment, placed.record);
    if (described.instance !== instance || (event !== undefined && described.event !== event)) return false;
    return record === undefined || described.type === KINDS[record];
  });
}

it('ends just before or behind the record that is meant, of any log', () => {
  const segments = fc.tuple(fc.array(modelEntries, { maxLength: 20 }), fc.array(modelEntries, { maxLength: 20 }));
  fc.assert(
    fc.property(segments, events, (entries, wanted) => {
      const log = modelLog(...entries);
      const all = matching(log, wanted);
      const meant = wanted.occurrence === undefined ? all.at(-1) : all[wanted.occurrence - 1];
      const before = search(log, searchEvent(wanted, 'before'));
      const after = search(log, searchEvent(wanted, 'after'));
      expect(before.found()).toEqual(meant && startOf(meant));
      expect(after.found()).toEqual(meant && endOf(meant));
      if (meant !== undefined) return;
      const ofInstance = matching(log, { instance: wanted.instance }).length;
      expect(after.counts()).toEqual({ ofInstance, matching: all.length });
    }),
    { numRuns: 300 },
  );
});
