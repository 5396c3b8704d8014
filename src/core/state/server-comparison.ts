import { type Extent, makeWalOffset, positionBytesOf, type SegmentId, segmentOf, type WalOffset } from '../wal/wal-offset.ts';
import type { KeptInstance } from './kept-instance.ts';
import type { ReplayMachine } from './replay-index.ts';
import type { CanonicalJson } from '../json/canonical-json.ts';

type ShownMachine = { machine: string; version: number };

/** An instance as a server lists it: the offset is where its last record begins. */
export type ShownInstance = ShownMachine & { id: string; lastWalOffset: WalOffset };

/** How many differ in one way, and the first of their names. */
export type Differing = { count: number; first: string[] };

/** What was written behind a backup's end by the time that the server was asked. */
export type WrittenSince = {
  created: ReadonlySet<string>;
  deleted: ReadonlySet<string>;
  machines: ReadonlySet<string>;
  /** How far each segment's whole records reached then. */
  ends: ReadonlyMap<number, number>;
};

/** How the state that a log gives differs from the one that its server shows, writes behind the log's end aside. */
export type ServerComparison = {
  /** `counts`: too many instances to list them all at each backup. */
  kind: 'instances' | 'counts';
  /** The instances that the server shows. */
  shown: number;
  /** Machines and instances that the server shows and the log lacks. */
  lacking: Differing;
  /** Instances whose last change the log lacks. */
  outdated: Differing;
  /** Machines and instances that the log holds and the server does not show. */
  unshown: Differing;
  /**
   * Instances whose last change stands in the log before an older one, so that a start takes it back: writers that race to rotate may have
   * the server write two segments in turns. Absent in what was said before it was asked.
   */
  older?: Differing | undefined;
};

/** The same, machines and instances apart. */
export type StateComparison = Pick<ServerComparison, 'kind' | 'shown'> & {
  machines: Pick<ServerComparison, 'lacking' | 'unshown'>;
  instances: Pick<ServerComparison, 'lacking' | 'outdated' | 'unshown' | 'older'>;
};

export function joinedComparison({ kind, shown, machines, instances }: StateComparison): ServerComparison {
  return {
    kind,
    shown,
    lacking: bothDiffering(machines.lacking, instances.lacking),
    outdated: instances.outdated,
    unshown: bothDiffering(machines.unshown, instances.unshown),
    older: instances.older,
  };
}

const NAMED_MAX = 3;
const NAME_CHARACTERS_MAX = 60;

const noneDiffering = (): Differing => ({ count: 0, first: [] });

/** Counts them all and keeps the first names; a long one is cut. */
export function differingOf(names: Iterable<string>): Differing {
  const differing = noneDiffering();
  for (const name of names) addDiffering(differing, name);
  return differing;
}

export function bothDiffering(one: Differing, other: Differing): Differing {
  return { count: one.count + other.count, first: [...one.first, ...other.first].slice(0, NAMED_MAX) };
}

function addDiffering(differing: Differing, name: string): void {
  differing.count += 1;
  if (differing.first.length >= NAMED_MAX) return;
  differing.first.push(name.length > NAME_CHARACTERS_MAX ? `${name.slice(0, NAME_CHARACTERS_MAX)}…` : name);
}

export const machineName = ({ machine, version }: ShownMachine): string => `${machine} version ${version}`;

/** Whether a backup of this log lacks something that its server has. */
export function lacksState({ lacking, outdated }: Pick<ServerComparison, 'lacking' | 'outdated'>): boolean {
  return lacking.count > 0 || outdated.count > 0;
}

type InstanceComparison = {
  /** Takes what the server lists, in any order; an instance may come twice, for pages shift under writes. */
  offer(shown: ShownInstance): void;
  /** Takes each instance that the log gives, in any order, when all is offered. */
  judge(replayed: KeptInstance): void;
  /** What the log holds and nobody offered. */
  notOffered(): readonly string[];
  /**
   * What the log lacks. What stands behind the log's end is excused: a change by the record that stands there, an instance
   * by its creation, for the events of one that the log doesn't create bring no server to it.
   */
  found(since: WrittenSince): Record<Exclude<Verdict, 'same'>, Differing>;
};

type Verdict = 'lacking' | 'outdated' | 'older' | 'same';

/**
 * Compares a replay up to these extents with what a server lists. What stands in a baseline may have been written anywhere before its end:
 * a server that was not started on it still shows where. A replica shows where a change stands in its primary's log until it is started again.
 */
export function createInstanceComparison(
  extents: readonly Extent[],
  { baseline, showsOwnOffsets = true }: { baseline?: SegmentId | undefined; showsOwnOffsets?: boolean } = {},
): InstanceComparison {
  const behindBaseline = baseline === undefined ? 0n : makeWalOffset((baseline + 1) as SegmentId, 0);
  const ends = new Map<number, number>(extents.map(({ segment, endBytes }) => [segment, endBytes]));
  const offered = new Map<string, { lastWalOffset: WalOffset; machine: string; verdict: Verdict }>();
  // One string for all instances of a machine.
  const machines = new Map<string, string>();
  const known = (name: string): string => machines.get(name) ?? (machines.set(name, name), name);
  const notOffered: string[] = [];
  const verdictOn = (replayed: bigint, shown: bigint): Verdict => {
    if (replayed === shown || shown < behindBaseline || !showsOwnOffsets) return 'same';
    return replayed < shown ? 'outdated' : 'older';
  };
  return {
    offer({ id, lastWalOffset, machine, version }) {
      if (!offered.has(id)) offered.set(id, { lastWalOffset, machine: known(machineName({ machine, version })), verdict: 'lacking' });
    },
    judge(replayed) {
      if (replayed.deleted) return;
      const shown = offered.get(replayed.id);
      if (shown === undefined) notOffered.push(replayed.id);
      // Created again by a server that had forgotten it: its events are the same, and what it is an instance of is not.
      else if (machineName(replayed) !== shown.machine) shown.verdict = 'outdated';
      else shown.verdict = verdictOn(lastOffset(replayed), shown.lastWalOffset);
    },
    notOffered: () => notOffered,
    found(since) {
      const differing = { lacking: noneDiffering(), outdated: noneDiffering(), older: noneDiffering() };
      for (const [id, { lastWalOffset, verdict }] of offered) {
        if (verdict === 'same') continue;
        const isBehind = !isWithin(ends, lastWalOffset) && isWithin(since.ends, lastWalOffset);
        const isExcused = isBehind && (verdict !== 'lacking' || since.created.has(id));
        if (!isExcused) addDiffering(differing[verdict], id);
      }
      return differing;
    },
  };
}

function isWithin(ends: ReadonlyMap<number, number>, offset: WalOffset): boolean {
  return positionBytesOf(offset) < (ends.get(segmentOf(offset)) ?? 0);
}

/** Of the record that a replay took last for this instance. */
function lastOffset({ last }: KeptInstance): bigint {
  return last === undefined ? 0n : makeWalOffset(last.segment, last.startBytes);
}

/** The machines that the server lists and neither the log has nor somebody has put since. */
export function lackingMachines(replayed: readonly ReplayMachine[], shown: readonly ShownMachine[], since: WrittenSince): ShownMachine[] {
  const known = new Set(replayed.map(({ name, version }) => machineName({ machine: name, version })));
  return shown.filter((machine) => !known.has(machineName(machine)) && !since.machines.has(machineName(machine)));
}

/** The machines that the log holds and the server does not list: none can be deleted. */
export function unshownMachines(replayed: readonly ReplayMachine[], shown: readonly ShownMachine[]): string[] {
  const listed = new Set(shown.map(machineName));
  return replayed.map(({ name, version }) => machineName({ machine: name, version })).filter((name) => !listed.has(name));
}

/** Whether so many instances can be what this log gives, with some of the later writes or all of them. */
export function fitsCount(shown: number, replayed: number, { created, deleted }: WrittenSince): boolean {
  return shown >= replayed - deleted.size && shown <= replayed + created.size;
}

/** rstmdb's JSON parser isn't exact: each restart may move a double by a few units of its last place. */
const DRIFT_RELATIVE_MAX = 1e-14;

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?[0-9][0-9.eE+-]*|[^"0-9-]+/g;
const FLOAT = /^-?[0-9]+(?=[.eE])[0-9.eE+-]*$/;

/** Whether two states are the same but for the drift of their floats. Whole numbers, however big, must be equal. */
export function sameState(a: CanonicalJson, b: CanonicalJson): boolean {
  if (a === b) return true;
  const tokensA = a.match(TOKEN) ?? [];
  const tokensB = b.match(TOKEN) ?? [];
  return tokensA.length === tokensB.length && tokensA.every((token, index) => sameToken(token, tokensB[index] ?? ''));
}

function sameToken(a: string, b: string): boolean {
  if (a === b) return true;
  if (!FLOAT.test(a) || !FLOAT.test(b)) return false;
  const valueA = Number(a);
  const valueB = Number(b);
  return Math.abs(valueA - valueB) <= DRIFT_RELATIVE_MAX * Math.max(Math.abs(valueA), Math.abs(valueB));
}
