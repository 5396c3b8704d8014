import fc from 'fast-check';
import { expect, it } from 'vitest';
import { describeRecord } from '../../../../src/core/recovery/log-record.ts';
import { concernsSegment, createRecordFilter, type RecordQuery } from '../../../../src/core/recovery/record-filter.ts';
import { makeWalOffset, type SegmentId, type WalOffset } from '../../../../src/core/wal/wal-offset.ts';
import { creation, deletion, event, modelLog, type PlacedRecord } from '../../../fixtures/wal/model-log.ts';
import { modelEntries, type ModelEntry } from '../../../fixtures/wal/state-model.ts';

/** The places in the log of those that are wanted. */
function wanted(log: readonly PlacedRecord[], query: RecordQuery): number[] {
  const filter = createRecordFilter(query);
  return log.flatMap(({ segment, record }, at) => (filter(segment, record) === undefined ? [] : [at]));
}

const LOG = modelLog(
  [
    { type: 'put_machine', machine: 'order', version: 1, definition: null },
    { type: 'put_machine', machine: 'ship', version: 1, definition: null },
    creation('a', 'order'),
    creation('b', 'ship'),
    event('a', 'PAY'),
  ],
  [event('b', 'PAY'), event('a', 'SHIP'), deletion('a'), creation('a', 'ship'), event('a', 'PAY'), { type: 'checkpoint' }, 'no entry'],
);

it.each<[string, RecordQuery, number[]]>([
  ['all, and what no server can read, where nothing is asked', {}, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]],
  ['those of one instance', { instance: 'a' }, [2, 4, 6, 7, 8, 9]],
  ['a machine’s definition and its instances, until an id is another machine’s', { machine: 'order' }, [0, 2, 4, 6, 7]],
  ['the other machine’s, from then on', { machine: 'ship' }, [1, 3, 5, 8, 9]],
  ['a type', { type: 'delete_instance' }, [7]],
  ['an event by its name', { event: 'PAY' }, [4, 5, 9]],
  ['an event of an instance of a machine', { event: 'PAY', instance: 'a', machine: 'ship' }, [9]],
  ['nothing that is both an event and a deletion', { event: 'PAY', type: 'delete_instance' }, []],
  ['nothing of an instance that there is not', { instance: 'A' }, []],
])('gives %s', (_what, query, places) => {
  expect(wanted(LOG, query)).toEqual(places);
});

const offsetOf = ({ segment, record }: PlacedRecord): WalOffset => makeWalOffset(segment, record.startBytes);

it('takes a range from where a record begins up to where the next one begins', () => {
  const [from, to] = [offsetOf(LOG[3]!), offsetOf(LOG[6]!)];
  expect(wanted(LOG, { from, to })).toEqual([3, 4, 5]);
  expect(wanted(LOG, { from: (from + 1n) as WalOffset })).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
  expect(wanted(LOG, { from: to, to: from })).toEqual([]);
});

it('knows of a machine’s instances that were created before the range', () => {
  expect(wanted(LOG, { machine: 'order', from: offsetOf(LOG[5]!) })).toEqual([6, 7]);
});

it('passes over a second creation of a living instance, as the server does', () => {
  const log = modelLog([creation('a', 'order'), creation('a', 'ship'), event('a', 'PAY')]);
  expect(wanted(log, { machine: 'order' })).toEqual([0, 1, 2]);
});

const queries = fc.record(
  {
    instance: fc.constantFrom('i-1', 'with "quotes"', 'ü', 'nobody'),
    type: fc.constantFrom<RecordQuery['type'][]>('create_instance', 'apply_event', 'delete_instance', 'checkpoint'),
    event: fc.constantFrom('E', 'F'),
    from: fc.integer({ min: 0, max: 3000 }),
    to: fc.integer({ min: 0, max: 3000 }),
  },
  { requiredKeys: [] },
);

/** A place within two segments of some thousand bytes. */
const offsetAt = (place: number): WalOffset => makeWalOffset((1 + (place % 2)) as SegmentId, place);

it('gives exactly the records that have all that is asked, whatever is escaped in their names', () => {
  const segments = fc.tuple(fc.array(modelEntries, { maxLength: 15 }), fc.array(modelEntries, { maxLength: 15 }));
  fc.assert(
    fc.property(segments, queries, (entries, { from, to, ...names }) => {
      const query: RecordQuery = {
        ...names,
        from: from === undefined ? undefined : offsetAt(from),
        to: to === undefined ? undefined : offsetAt(to),
      };
      const log = modelLog(...entries);
      const plain = entries.flat();
      const expected = log.flatMap((placed, at) => (isMatch(query, placed, plain[at]!) ? [at] : []));
      expect(wanted(log, query)).toEqual(expected);
      const filter = createRecordFilter(query);
      for (const at of expected) {
        const { segment, record } = log[at]!;
        expect(filter(segment, record)).toEqual(describeRecord(segment, record));
      }
      expect(log.filter(({ segment }) => concernsSegment(query, segment))).toEqual(expect.arrayContaining(expected.map((at) => log[at])));
    }),
    { numRuns: 300 },
  );
});

function isMatch({ instance, type, event: name, from, to }: RecordQuery, placed: PlacedRecord, entry: ModelEntry): boolean {
  const id = 'instance_id' in entry ? entry.instance_id : undefined;
  const offset = offsetOf(placed);
  return (
    (instance === undefined || instance === id) &&
    (type === undefined || type === entry.type) &&
    (name === undefined || (entry.type === 'apply_event' && entry.event === name)) &&
    (from === undefined || offset >= from) &&
    (to === undefined || offset < to)
  );
}

it('needs no segment outside of the range, but for the earlier ones of a machine’s instances', () => {
  const range = { from: makeWalOffset(2 as SegmentId, 700), to: makeWalOffset(3 as SegmentId, 0) };
  const concerned = (query: RecordQuery): number[] => [1, 2, 3, 4].filter((segment) => concernsSegment(query, segment as SegmentId));
  expect(concerned({})).toEqual([1, 2, 3, 4]);
  expect(concerned(range)).toEqual([2]);
  expect(concerned({ ...range, to: makeWalOffset(3 as SegmentId, 1) })).toEqual([2, 3]);
  expect(concerned({ ...range, machine: 'order' })).toEqual([1, 2]);
});
