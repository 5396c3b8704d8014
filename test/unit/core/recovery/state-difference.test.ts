import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareIndexes, named } from '../../../../src/core/recovery/state-difference.ts';
import { createReplayIndex, type ReplayIndex } from '../../../../src/core/state/replay-index.ts';
import type { WalRange } from '../../../../src/core/wal/wal-offset.ts';
import { creation, deletion, event, modelLog, type PlacedRecord, type WrittenEntry } from '../../../fixtures/wal/model-log.ts';
import { modelEntries, type ModelEntry } from '../../../fixtures/wal/state-model.ts';

function indexOf(log: readonly PlacedRecord[]): ReplayIndex {
  const index = createReplayIndex();
  for (const { segment, record } of log) expect(index.apply(segment, record)).toBe(true);
  return index;
}

/** The first so many records are those of both. */
function compare(sharedCount: number, before: readonly WrittenEntry[], after: readonly WrittenEntry[]) {
  const [one, other] = [modelLog(before), modelLog(after)];
  const sharedBytes = one[sharedCount - 1]?.record.endBytes ?? 0;
  const isShared = ({ endBytes }: WalRange): boolean => endBytes <= sharedBytes;
  return compareIndexes(indexOf(one), indexOf(other), isShared);
}

const machine = (initial: string, version = 1): WrittenEntry => ({
  type: 'put_machine',
  machine: 'order',
  version,
  definition: { states: ['s', 't'], initial, transitions: [] },
});

it('names what was created, deleted and touched, and leaves out what stayed', () => {
  const shared = [creation('stays'), creation('touched'), creation('goes')];
  const { instancesCreated, instancesDeleted, undecided } = compare(3, shared, [
    ...shared,
    event('touched'),
    deletion('goes'),
    creation('new'),
  ]);
  expect(instancesCreated).toEqual({ count: 1, first: ['new'] });
  expect(instancesDeleted).toEqual({ count: 1, first: ['goes'] });
  expect(undecided.map(({ id, isSameMachine }) => [id, isSameMachine])).toEqual([['touched', true]]);
});

it('takes an instance that was created again for one that stayed, and says if its machine is another', () => {
  const shared = [creation('i'), creation('j')];
  const again = [...shared, deletion('i'), creation('i'), deletion('j'), creation('j', 'other')];
  const { instancesCreated, instancesDeleted, undecided } = compare(2, shared, again);
  expect([instancesCreated.count, instancesDeleted.count]).toEqual([0, 0]);
  expect(undecided.map(({ id, isSameMachine }) => [id, isSameMachine])).toEqual([
    ['i', true],
    ['j', false],
  ]);
});

it('leaves an instance undecided whose record only stands at the same place, in two histories', () => {
  expect(compare(1, [creation('i'), event('i')], [creation('i'), event('i')]).undecided.map(({ id }) => id)).toEqual(['i']);
});

it('tells versions of machines that came, went, and were defined otherwise after a fork', () => {
  const { machinesAdded, machinesRemoved, machinesChanged } = compare(0, [machine('s'), machine('s', 2)], [machine('t'), machine('s', 3)]);
  expect(machinesAdded.first).toEqual(['order/3']);
  expect(machinesRemoved.first).toEqual(['order/2']);
  expect(machinesChanged.first).toEqual(['order/1']);
});

it('counts all and names the first twenty by id', () => {
  const ids = Array.from({ length: 30 }, (_, at) => `i-${String(30 - at).padStart(2, '0')}`);
  expect(named(ids)).toEqual({ count: 30, first: ids.toReversed().slice(0, 20) });
});

type Model = Map<string, { made: string; machine: string; version: number; at: number }>;

/** What the server makes of the entries: who lives, of which machine, and by which record. */
function livingOf(entries: readonly ModelEntry[]): Model {
  const living: Model = new Map();
  for (const [at, entry] of entries.entries()) {
    if (entry.type === 'checkpoint') continue;
    const { instance_id: id } = entry;
    const known = living.get(id);
    if (entry.type === 'delete_instance') living.delete(id);
    else if (entry.type === 'create_instance') {
      if (known === undefined) living.set(id, { made: id, machine: entry.machine, version: entry.version, at });
    } else if (known !== undefined) living.set(id, { ...known, at });
  }
  return living;
}

it('divides all living instances of two branches into created, deleted, the same, and undecided', () => {
  const branches = fc.tuple(...[15, 10, 10].map((maxLength) => fc.array(modelEntries, { maxLength })));
  fc.assert(
    fc.property(branches, ([shared = [], one = [], other = []]) => {
      const [before, after] = [livingOf([...shared, ...one]), livingOf([...shared, ...other])];
      const compared = compare(shared.length, [...shared, ...one], [...shared, ...other]);
      expect(compared.instancesCreated.first).toEqual([...after.keys()].filter((id) => !before.has(id)).sort());
      expect(compared.instancesDeleted.first).toEqual([...before.keys()].filter((id) => !after.has(id)).sort());
      const touched = [...after].filter(([id, { at }]) => before.has(id) && (at >= shared.length || before.get(id)!.at >= shared.length));
      expect(new Set(compared.undecided.map(({ id }) => id))).toEqual(new Set(touched.map(([id]) => id)));
      for (const { id, isSameMachine } of compared.undecided) {
        const [was, is] = [before.get(id)!, after.get(id)!];
        expect(isSameMachine).toBe(was.machine === is.machine && was.version === is.version);
      }
    }),
    { numRuns: 500 },
  );
});
