import type { ReplayIndex, ReplayInstance } from '../state/replay-index.ts';
import type { WalRange } from '../wal/wal-offset.ts';

/** How many, and the first of their names in the order of their ids. */
export type Named = { count: number; first: string[] };

/** What has to be done to the first state to get the second. */
export type StateDifference = {
  /** Versions of machines, as `name/version`. */
  machinesAdded: Named;
  machinesRemoved: Named;
  instancesCreated: Named;
  instancesChanged: Named;
  instancesDeleted: Named;
};

const NAMED_MAX = 20;

export function named(names: Iterable<string>): Named {
  const sorted = [...names].sort();
  return { count: sorted.length, first: sorted.slice(0, NAMED_MAX) };
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
    else if (!isSameRecord(earlier, instance, isShared)) {
      const isSameMachine = earlier.machine === instance.machine && earlier.version === instance.version;
      undecided.push({ id: instance.id, isSameMachine, before: earlier.last, after: instance.last });
    }
  }
  for (const instance of before.instances()) {
    if (!isLiving(instance)) continue;
    const later = after.instance(instance.id);
    if (later === undefined || !isLiving(later)) deleted.push(instance.id);
  }
  const machinesBefore = machineNames(before);
  const machinesAfter = machineNames(after);
  return {
    machinesAdded: named([...machinesAfter].filter((name) => !machinesBefore.has(name))),
    machinesRemoved: named([...machinesBefore].filter((name) => !machinesAfter.has(name))),
    instancesCreated: named(created),
    instancesDeleted: named(deleted),
    undecided,
  };
}

type Living = ReplayInstance & { last: WalRange };

function isLiving(instance: ReplayInstance): instance is Living {
  return !instance.deleted && instance.last !== undefined;
}

function isSameRecord(one: Living, other: Living, isShared: IsShared): boolean {
  const { segment, startBytes, endBytes } = one.last;
  return segment === other.last.segment && startBytes === other.last.startBytes && endBytes === other.last.endBytes && isShared(one.last);
}

function machineNames(index: ReplayIndex): Set<string> {
  return new Set([...index.machines()].map(({ name, version }) => `${name}/${version}`));
}
