import { assert } from '../errors/assert.ts';
import { readPresentState } from './instance-record.ts';
import type { KeptInstance } from './kept-instance.ts';
import type { ReplayIndex, ReplayInstance } from './replay-index.ts';
import { instanceHash, machineHash, type Sha256, type StateDigest } from './state-digest.ts';

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

export type InstanceSettling = {
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
