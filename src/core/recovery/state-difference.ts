import type { ReplayIndex, ReplayInstance } from '../state/replay-index.ts';
import { shortName } from './log-record.ts';
import type { WalRange } from '../wal/wal-offset.ts';

/** How many, and the first of their names in the order of their ids; a very long one is cut. */
export type Named = { count: number; first: string[] };

/** What has to be done to the first state to get the second. */
export type StateDifference = {
  /** Versions of machines, as `name/version`. */
  machinesAdded: Named;
  machinesRemoved: Named;
  /** The same name and version with another definition: of two histories that were begun from one. */
  machinesChanged: Named;
  instancesCreated: Named;
  instancesChanged: Named;
  instancesDeleted: Named;
};

const NAMED_MAX = 20;

export function named(names: Iterable<string>): Named {
  const sorted = [...names].sort();
  return { count: sorted.length, first: sorted.slice(0, NAMED_MAX).map(shortName) };
}

export type Compared = Omit<StateDifference, 'instancesChanged'> & {
  /** Instances of both states whose records differ: whether their states do, the records say. */
  undecided: { id: string; isSameMachine: boolean; before: WalRange; after: WalRange }[];
};

/** Whether both logs have the same bytes there. */
type IsShared = (range: WalRange) => boolean;

/** Compares what two logs have done. An instance of both whose last record is the same one is the same. */
export function compareIndexes(before: ReplayIndex, after: ReplayIndex, isShared: IsShared): Compared {
  const undecided: Compared['undecided'] = [];
  const created: string[] = [];
  const deleted: string[] = [];
  for (const instance of after.instances()) {
    if (!isLiving(instance)) continue;
    const earlier = before.instance(instance.id);
    if (earlier === undefined || !isLiving(earlier)) created.push(instance.id);
    else if (!isSame(earlier, instance, isShared)) {
      const isSameMachine = isOfSameMachine(earlier, instance);
      undecided.push({ id: instance.id, isSameMachine, before: earlier.last, after: instance.last });
    }
  }
  for (const instance of before.instances()) {
    if (!isLiving(instance)) continue;
    const later = after.instance(instance.id);
    if (later === undefined || !isLiving(later)) deleted.push(instance.id);
  }
  return { ...compareMachines(before, after), instancesCreated: named(created), instancesDeleted: named(deleted), undecided };
}

type Living = ReplayInstance & { last: WalRange };

function isLiving(instance: ReplayInstance): instance is Living {
  return !instance.deleted && instance.last !== undefined;
}

function isSame(one: Living, other: Living, isShared: IsShared): boolean {
  const { segment, startBytes, endBytes } = one.last;
  const isSameRecord = segment === other.last.segment && startBytes === other.last.startBytes && endBytes === other.last.endBytes;
  return isSameRecord && isOfSameMachine(one, other) && isShared(one.last);
}

function isOfSameMachine(one: Living, other: Living): boolean {
  return one.machine === other.machine && one.version === other.version;
}

type MachineChanges = Pick<StateDifference, 'machinesAdded' | 'machinesRemoved' | 'machinesChanged'>;

function compareMachines(before: ReplayIndex, after: ReplayIndex): MachineChanges {
  const definitionsBefore = definitionsOf(before);
  const definitionsAfter = definitionsOf(after);
  const isChanged = (key: string): boolean => definitionsBefore.has(key) && definitionsBefore.get(key) !== definitionsAfter.get(key);
  return {
    machinesAdded: named([...definitionsAfter.keys()].filter((key) => !definitionsBefore.has(key))),
    machinesRemoved: named([...definitionsBefore.keys()].filter((key) => !definitionsAfter.has(key))),
    machinesChanged: named([...definitionsAfter.keys()].filter(isChanged)),
  };
}

function definitionsOf(index: ReplayIndex): Map<string, string | undefined> {
  return new Map([...index.machines()].map(({ name, version, definition }) => [`${name}/${version}`, definition]));
}
