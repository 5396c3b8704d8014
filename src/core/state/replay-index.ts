import type { CanonicalJson } from '../json/canonical-json.ts';
import type { SegmentId } from '../wal/segment-id.ts';
import type { Extent, WalRange } from '../wal/wal-range.ts';
import { type LogEntry, readLogEntry } from './log-entry.ts';
import { normaliseDefinition } from './machine-definition.ts';
import type { StateHash } from './state-digest.ts';

/** A version of a machine. `definition` is undefined if it stands in the log before the checkpoint. */
export type ReplayMachine = { name: string; version: number; definition: CanonicalJson | undefined; hash: StateHash | undefined };

/** An instance without its state: where that stands is kept instead, for all contexts would not fit into memory. */
export type ReplayInstance = {
  readonly id: string;
  machine: string;
  version: number;
  deleted: boolean;
  /** The record that holds its present state and context; undefined for a deleted one that lies before the checkpoint. */
  last: WalRange | undefined;
  /** What it adds to the digest so far; undefined for nothing. */
  hash: StateHash | undefined;
  /** Whether a record since then has changed it. */
  dirty: boolean;
};

/** A replay that can go on later: everything up to `extents` is in it, and `digest` is its state digest. */
export type Checkpoint = { extents: Extent[]; digest: StateHash; machines: ReplayMachine[]; instances: ReplayInstance[] };

export type ReplayCounts = { machines: number; instances: number; deleted: number };

export type ReplayIndex = {
  /** Takes the records in log order. False where the payload is no entry: the server would refuse to start on it. */
  apply(segment: SegmentId, record: { startBytes: number; endBytes: number; payload: Uint8Array }): boolean;
  /** All machines; those without a hash are not in the digest yet. */
  machines(): Iterable<ReplayMachine>;
  /** All instances, deleted ones too: only a deleted one can be created again. */
  instances(): Iterable<ReplayInstance>;
  instance(id: string): ReplayInstance | undefined;
  /** The instances that changed since the checkpoint, in the order in which their records lie in the log. */
  dirtyInstances(): ReplayInstance[];
  counts(): ReplayCounts;
};

type Replay = {
  readonly machines: Map<string, ReplayMachine>;
  readonly instances: Map<string, ReplayInstance>;
  deleted: number;
};

/**
 * Replays a log as the server does when it starts. Takes a checkpoint over, instances and all, and goes on from it.
 * @see rstmdb-core 0.3.0 src/engine.rs replay_entry
 */
export function createReplayIndex(checkpoint?: Checkpoint): ReplayIndex {
  const replay: Replay = { machines: new Map(), instances: new Map(), deleted: 0 };
  for (const machine of checkpoint?.machines ?? []) replay.machines.set(machineKey(machine.name, machine.version), machine);
  for (const instance of checkpoint?.instances ?? []) {
    replay.instances.set(instance.id, instance);
    if (instance.deleted) replay.deleted += 1;
  }
  return {
    apply: (segment, record) => apply(replay, { segment, startBytes: record.startBytes, endBytes: record.endBytes }, record.payload),
    machines: () => replay.machines.values(),
    instances: () => replay.instances.values(),
    instance: (id) => replay.instances.get(id),
    dirtyInstances: () => dirtyInstances(replay),
    counts: () => ({
      machines: replay.machines.size,
      instances: replay.instances.size - replay.deleted,
      deleted: replay.deleted,
    }),
  };
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
  if (existing !== undefined && !existing.deleted) return;
  // The machine's own string, so that not every instance keeps a copy of it.
  const machine = replay.machines.get(machineKey(entry.machine, version))?.name ?? entry.machine;
  if (existing === undefined) {
    replay.instances.set(id, { id, machine, version, deleted: false, last: range, hash: undefined, dirty: true });
    return;
  }
  replay.deleted -= 1;
  Object.assign(existing, { machine, version, deleted: false, dirty: true });
  moveLast(existing, range);
}

/** A deleted instance takes events too, and stays deleted. */
function applyEvent(replay: Replay, id: string, range: WalRange): void {
  const instance = replay.instances.get(id);
  if (instance === undefined) return;
  moveLast(instance, range);
  instance.dirty = true;
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
  const instance = replay.instances.get(id);
  if (instance === undefined || instance.deleted) return;
  instance.deleted = true;
  instance.dirty = true;
  replay.deleted += 1;
}

function dirtyInstances(replay: Replay): ReplayInstance[] {
  const dirty: ReplayInstance[] = [];
  for (const instance of replay.instances.values()) if (instance.dirty) dirty.push(instance);
  return dirty.sort((a, b) => compareRanges(a.last, b.last));
}

function compareRanges(a: WalRange | undefined, b: WalRange | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return a.segment - b.segment || a.startBytes - b.startBytes;
}

function machineKey(name: string, version: number): string {
  return `${version}:${name}`;
}
