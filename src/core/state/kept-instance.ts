import { makeSegmentId, type WalRange } from '../wal/wal-offset.ts';
import type { ReplayIndex, ReplayInstance } from './replay-index.ts';
import { instanceHash, isStateHash, machineHash, type Sha256, type StateDigest, type StateHash } from './state-digest.ts';
import { assert } from '../errors/rstow-error.ts';
import { type CanonicalJson, canonicalMembers } from '../json/canonical-json.ts';

/** An instance of a state that is kept between backups. Of a deleted one only its id counts: such a one can be created again. */
export type KeptInstance = {
  id: string;
  machine: string;
  version: number;
  deleted: boolean;
  /** The record that holds its present state and context. */
  last: WalRange | undefined;
  /** What it adds to the digest. */
  hash: StateHash | undefined;
};

/**
 * What an instance is after the records, if this is what it was before them: the same object if nothing has changed,
 * undefined if there is none. The hash of one whose last record is new is still to be computed.
 * @see rstmdb-core 0.3.0 src/engine.rs replay_entry
 */
export function settledInstance(change: ReplayInstance, before: KeptInstance | undefined): KeptInstance | undefined {
  const { id, isCreated, machine, version, deleted, earlier } = change;
  if (before !== undefined && !before.deleted && earlier?.isDeleted !== true) {
    // A second creation of what stands there is passed over, by the server as well.
    return earlier?.last === undefined ? before : { ...before, last: earlier.last, hash: undefined };
  }
  if (isCreated && !deleted) return { id, machine, version, deleted, last: change.last, hash: undefined };
  if (!isCreated && (before === undefined || before.deleted)) return before;
  return { id, machine: '', version: 0, deleted: true, last: undefined, hash: undefined };
}

/** One line of JSON: [id,machine,version,hash,segment,startBytes,endBytes], or [id,machine,version] if it is deleted. */
export function keptLine({ id, machine, version, deleted, last, hash }: KeptInstance): string {
  if (deleted || last === undefined) return JSON.stringify([id, machine, version]);
  return JSON.stringify([id, machine, version, hash, last.segment, last.startBytes, last.endBytes]);
}

/** The id alone, as of every line in turn: no other part is looked at. */
export function idOfLine(line: string): string {
  const end = line.indexOf('",', 2);
  const text = line.slice(2, end);
  return text.includes('\\') ? ((JSON.parse(line) as unknown[])[0] as string) : text;
}

/** Undefined if it is no such line. `machines` keeps one string for each machine's name. */
export function readKeptLine(line: string, machines: Map<string, string>): KeptInstance | undefined {
  const fields = parsed(line);
  if (fields === undefined) return undefined;
  const [id, machineName, version, hash, segmentNumber, startBytes, endBytes] = fields;
  if (typeof id !== 'string' || typeof machineName !== 'string' || typeof version !== 'number') return undefined;
  const machine = machines.get(machineName) ?? machineName;
  machines.set(machine, machine);
  if (fields.length === 3) return { id, machine, version, deleted: true, last: undefined, hash: undefined };
  const segment = typeof segmentNumber === 'number' ? makeSegmentId(segmentNumber) : undefined;
  if (segment === undefined || !isStateHash(hash) || typeof startBytes !== 'number' || typeof endBytes !== 'number') return undefined;
  return startBytes < endBytes ? { id, machine, version, deleted: false, last: { segment, startBytes, endBytes }, hash } : undefined;
}

function parsed(line: string): unknown[] | undefined {
  try {
    const fields: unknown = JSON.parse(line);
    return Array.isArray(fields) ? fields : undefined;
  } catch {
    // A torn line is damage, and damage is a value.
    return undefined;
  }
}

/** Adds the machines that are not in the digest yet. Twice: nothing is left to add. */
export function settleMachines(index: ReplayIndex, digest: StateDigest, sha256: Sha256): void {
  for (const machine of index.machines()) {
    const { name, version, definition, hash } = machine;
    if (hash !== undefined) continue;
    assert(definition !== undefined, 'a machine without a hash has its definition at hand');
    machine.hash = machineHash({ name, version, definition }, sha256);
    digest.add(machine.hash);
  }
}

type Settled = Pick<ReplayInstance, 'id' | 'machine' | 'version' | 'deleted' | 'hash'>;

type InstanceSettling = {
  /** Takes the hash. */
  instance: Settled;
  /** What it added to the digest before, if it did. */
  before?: Pick<KeptInstance, 'hash'> | undefined;
  /** The payload of its last record; not needed for a deleted one. */
  payload: Uint8Array | undefined;
  sha256: Sha256;
};

/** Puts an instance's present hash into the digest in place of its old one. False if the payload holds no state. */
export function settleInstance(digest: StateDigest, settling: InstanceSettling): boolean {
  const { instance, before, payload, sha256 } = settling;
  const { id, machine, version } = instance;
  let hash: string | undefined;
  if (!instance.deleted) {
    const present = payload === undefined ? undefined : readPresentState(payload);
    if (present === undefined) return false;
    hash = instanceHash({ id, machine, version, ...present }, sha256);
  }
  if (before?.hash !== undefined) digest.subtract(before.hash);
  if (hash !== undefined) digest.add(hash);
  instance.hash = hash;
  return true;
}

/** What an instance's present record says about it; its machine stands in the record that created it. */
type PresentState = { state: string; ctx: CanonicalJson };

const NULL = 'null' as CanonicalJson;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * State and context after a create_instance or apply_event record. Undefined where the payload is neither; the
 * server would refuse to start on one that it can't read.
 */
export function readPresentState(payload: Uint8Array): PresentState | undefined {
  const members = membersOf(payload);
  switch (members?.get('type')) {
    case '"create_instance"':
      return presentState(members.get('initial_state'), members.get('initial_ctx'));
    case '"apply_event"':
      return presentState(members.get('to_state'), members.get('ctx'));
    default:
      return undefined;
  }
}

function membersOf(payload: Uint8Array): Map<string, CanonicalJson> | undefined {
  try {
    return canonicalMembers(decoder.decode(payload));
  } catch {
    // No UTF-8, or no JSON object: to a reader of records both are a payload that says nothing.
    return undefined;
  }
}

function presentState(stateText: string | undefined, ctx: CanonicalJson | undefined): PresentState | undefined {
  const state: unknown = stateText === undefined ? undefined : JSON.parse(stateText);
  return typeof state === 'string' ? { state, ctx: ctx ?? NULL } : undefined;
}
