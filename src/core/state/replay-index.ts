import type { CanonicalJson } from '../json/canonical-json.ts';
import type { Extent, SegmentId, WalRange } from '../wal/wal-offset.ts';
import { type LogEntry, normaliseDefinition, readLogEntry } from './log-entry.ts';
import type { StateHash } from './state-digest.ts';

/** A version of a machine. `definition` is undefined if it stands in the log before the checkpoint. */
export type ReplayMachine = { name: string; version: number; definition: CanonicalJson | undefined; hash: StateHash | undefined };

/**
 * What the records say of an instance, without its state: where that stands is kept instead, for all contexts would not
 * fit into memory. If the records go on from an earlier state, it may have stood there already. @see settledInstance
 */
export type ReplayInstance = {
  readonly id: string;
  /** Whether these records have created it; its machine and version are empty if not. */
  isCreated: boolean;
  machine: string;
  version: number;
  deleted: boolean;
  /** The record that holds its present state and context. */
  last: WalRange | undefined;
  /** What it adds to the digest; undefined until it is settled. */
  hash: StateHash | undefined;
  /** Of an instance that stood there already: whether it was deleted, and its last event. */
  earlier: { isDeleted: boolean; last: WalRange | undefined } | undefined;
};

export type ReplayCounts = { machines: number; instances: number; deleted: number };

export type ReplayIndex = {
  /** Takes the records in log order. False where the payload is no entry: the server would refuse to start on it. */
  apply(segment: SegmentId, record: { startBytes: number; endBytes: number; payload: Uint8Array }): boolean;
  /** All machines; those without a hash are not in the digest yet. */
  machines(): Iterable<ReplayMachine>;
  /** All instances, deleted ones too: only a deleted one can be created again. */
  instances(): Iterable<ReplayInstance>;
  instance(id: string): ReplayInstance | undefined;
  /** How many instances the records concern. */
  size(): number;
  /** Of a replay from the beginning. */
  counts(): ReplayCounts;
  /** Another one that has seen the same, and goes on by itself. */
  copy(): ReplayIndex;
};

/** What a replay goes on from: its machines; which instances it has is asked when the replay is settled. */
type EarlierState = { machines: readonly ReplayMachine[]; hasInstances: boolean };

type Replay = {
  /** Whether an instance may stand in an earlier state. */
  readonly goesOn: boolean;
  readonly machines: Map<string, ReplayMachine>;
  readonly instances: Map<string, ReplayInstance>;
  deleted: number;
};

/**
 * Replays a log as the server does when it starts, from the beginning or from an earlier state on.
 * @see rstmdb-core 0.3.0 src/engine.rs replay_entry
 */
export function createReplayIndex(earlier?: EarlierState): ReplayIndex {
  const replay: Replay = { goesOn: earlier?.hasInstances === true, machines: new Map(), instances: new Map(), deleted: 0 };
  for (const machine of earlier?.machines ?? []) replay.machines.set(machineKey(machine.name, machine.version), { ...machine });
  return indexOf(replay);
}

function indexOf(replay: Replay): ReplayIndex {
  return {
    apply: (segment, record) => apply(replay, { segment, startBytes: record.startBytes, endBytes: record.endBytes }, record.payload),
    machines: () => replay.machines.values(),
    instances: () => replay.instances.values(),
    instance: (id) => replay.instances.get(id),
    size: () => replay.instances.size,
    counts: () => ({
      machines: replay.machines.size,
      instances: replay.instances.size - replay.deleted,
      deleted: replay.deleted,
    }),
    copy: () => indexOf(copyOf(replay)),
  };
}

/** The records of an instance are moved in place, so that they are copied too. */
function copyOf({ goesOn, machines, instances, deleted }: Replay): Replay {
  const copied = new Map<string, ReplayInstance>();
  for (const [id, instance] of instances) {
    const { earlier, last } = instance;
    copied.set(id, {
      ...instance,
      last: last && { ...last },
      earlier: earlier && { ...earlier, last: earlier.last && { ...earlier.last } },
    });
  }
  return { goesOn, machines: new Map([...machines].map(([key, machine]) => [key, { ...machine }])), instances: copied, deleted };
}

function apply(replay: Replay, range: WalRange, payload: Uint8Array): boolean {
  const entry = readLogEntry(payload);
  if (entry === undefined) return false;
  switch (entry.kind) {
    case 'put_machine':
      putMachine(replay, entry);
      break;
    case 'create_instance':
      createInstance(replay, entry, range);
      break;
    case 'apply_event':
      applyEvent(replay, entry.id, range);
      break;
    case 'delete_instance':
      deleteInstance(replay, entry.id);
      break;
    case 'snapshot':
    case 'checkpoint':
      break;
  }
  return true;
}

/** The first definition of a version that the server can use wins; a null one is from an old format and counts as none. */
function putMachine(replay: Replay, entry: LogEntry & { kind: 'put_machine' }): void {
  const key = machineKey(entry.machine, entry.version);
  if (replay.machines.has(key)) return;
  const definition = normaliseDefinition(entry.definitionText);
  if (definition === undefined) return;
  replay.machines.set(key, { name: entry.machine, version: entry.version, definition, hash: undefined });
}

function createInstance(replay: Replay, entry: LogEntry & { kind: 'create_instance' }, range: WalRange): void {
  const { id, version } = entry;
  const existing = replay.instances.get(id);
  if (existing?.isCreated === true && !existing.deleted) return;
  // The machine's own string, so that not every instance keeps a copy of it.
  const machine = replay.machines.get(machineKey(entry.machine, version))?.name ?? entry.machine;
  if (existing === undefined) {
    const earlier = replay.goesOn ? { isDeleted: false, last: undefined } : undefined;
    replay.instances.set(id, { id, isCreated: true, machine, version, deleted: false, last: range, hash: undefined, earlier });
    return;
  }
  if (existing.deleted) replay.deleted -= 1;
  // An instance that stood there already has not been created: its last event stays its last.
  Object.assign(existing, { isCreated: true, machine, version, deleted: false, last: range });
}

/** A deleted instance takes events too, and stays deleted. */
function applyEvent(replay: Replay, id: string, range: WalRange): void {
  const instance = replay.instances.get(id) ?? earlierInstance(replay, id);
  if (instance === undefined) return;
  moveLast(instance, range);
  if (instance.earlier !== undefined && !instance.earlier.isDeleted) instance.earlier.last = instance.last;
}

/** Undefined in a replay from the beginning: there it was never created. */
function earlierInstance(replay: Replay, id: string): ReplayInstance | undefined {
  if (!replay.goesOn) return undefined;
  const earlier = { isDeleted: false, last: undefined };
  const instance = { id, isCreated: false, machine: '', version: 0, deleted: false, last: undefined, hash: undefined, earlier };
  replay.instances.set(id, instance);
  return instance;
}

/** In place: a range for each event would outlive the young generation, and cost more than all else here. */
function moveLast(instance: ReplayInstance, { segment, startBytes, endBytes }: WalRange): void {
  const { last } = instance;
  if (last === undefined) {
    instance.last = { segment, startBytes, endBytes };
    return;
  }
  last.segment = segment;
  last.startBytes = startBytes;
  last.endBytes = endBytes;
}

function deleteInstance(replay: Replay, id: string): void {
  const instance = replay.instances.get(id) ?? earlierInstance(replay, id);
  if (instance === undefined || instance.deleted) return;
  if (instance.earlier !== undefined) instance.earlier.isDeleted = true;
  if (!instance.isCreated) return;
  instance.deleted = true;
  replay.deleted += 1;
}

function machineKey(name: string, version: number): string {
  return `${version}:${name}`;
}

/**
 * Whether replay may go on from a checkpoint: each of its segments is still as long as it was, only its last one may
 * have grown, and new ones come after it. After a rotation race the server may append to an older segment, and
 * what stands there would have to be replayed before what the checkpoint has already seen.
 */
export function checkpointFits(checkpoint: readonly Extent[], now: readonly Extent[]): boolean {
  const lengths = new Map<number, number>(now.map(({ segment, endBytes }) => [segment, endBytes]));
  const last = Math.max(0, ...checkpoint.map(({ segment }) => segment));
  const kept = checkpoint.every(({ segment, endBytes }) => {
    const nowBytes = lengths.get(segment);
    return nowBytes !== undefined && (segment === last ? nowBytes >= endBytes : nowBytes === endBytes);
  });
  const known = new Set<number>(checkpoint.map(({ segment }) => segment));
  return kept && now.every(({ segment }) => known.has(segment) || segment > last);
}
