import { assert } from '../errors/assert.ts';
import { readPresentState } from './instance-record.ts';
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

export type InstanceSettling = {
  instance: ReplayInstance;
  /** The payload of the record at `instance.last`; not needed for a deleted one. */
  payload: Uint8Array | undefined;
  sha256: Sha256;
};

/**
 * Puts an instance's present hash into the digest in place of its old one, after which it is no longer dirty.
 * False where the payload holds no state. Twice: the same digest.
 */
export function settleInstance(digest: StateDigest, settling: InstanceSettling): boolean {
  const { instance, payload, sha256 } = settling;
  const { id, machine, version } = instance;
  let hash: string | undefined;
  if (!instance.deleted) {
    const present = payload === undefined ? undefined : readPresentState(payload);
    if (present === undefined) return false;
    hash = instanceHash({ id, machine, version, ...present }, sha256);
  }
  if (instance.hash !== undefined) digest.subtract(instance.hash);
  if (hash !== undefined) digest.add(hash);
  instance.hash = hash;
  instance.dirty = false;
  return true;
}
