import { assert } from '../errors/rstow-error.ts';
import type { CanonicalJson } from '../json/canonical-json.ts';

/** 64 lower-case hex digits. */
export type StateHash = string;

/**
 * SHA-256 of the UTF-8 bytes of some texts, one after another, in hex. In parts, because a context may have 15 MB, which
 * nobody should copy. An argument, because core knows no Node.
 */
export type Sha256 = (parts: readonly string[]) => StateHash;

/** `definition` is what normaliseDefinition makes of it: a log and a live server agree on that form only. */
export type MachineState = { name: string; version: number; definition: CanonicalJson };

/** `state` is the state's name itself, not JSON. */
export type InstanceState = { id: string; machine: string; version: number; state: string; ctx: CanonicalJson };

const HEX_DIGITS = 64;
const LIMB_HEX_DIGITS = 8;
const LIMBS = HEX_DIGITS / LIMB_HEX_DIGITS;
const LIMB_VALUES = 2 ** 32;
const HASH = /^[0-9a-f]{64}$/;

export const EMPTY_DIGEST: StateHash = '0'.repeat(HEX_DIGITS);

export function isStateHash(text: unknown): text is StateHash {
  return typeof text === 'string' && HASH.test(text);
}

export function machineHash(machine: MachineState, sha256: Sha256): StateHash {
  return sha256([`["m",${JSON.stringify(machine.name)},${machine.version},`, machine.definition, ']']);
}

export function instanceHash(instance: InstanceState, sha256: Sha256): StateHash {
  const { id, machine, version, state, ctx } = instance;
  return sha256([`["i",${JSON.stringify(id)},${JSON.stringify(machine)},${version},${JSON.stringify(state)},`, ctx, ']']);
}

/** The hash of a whole state: the sum of its machines' and instances' hashes modulo 2^256, in any order. */
export type StateDigest = {
  add(hash: StateHash): void;
  /** Takes back what was added before. */
  subtract(hash: StateHash): void;
  hex(): StateHash;
};

/** Starts from nothing, or from an earlier digest. */
export function createStateDigest(start: StateHash = EMPTY_DIGEST): StateDigest {
  // Least significant limb first; each sum stays far below 2^53.
  const limbs = limbsOf(start);
  function accumulate(hash: StateHash, sign: 1 | -1): void {
    const operand = limbsOf(hash);
    let carry = 0;
    for (let index = 0; index < LIMBS; index += 1) {
      const sum = (limbs[index] ?? 0) + sign * (operand[index] ?? 0) + carry;
      carry = Math.floor(sum / LIMB_VALUES);
      limbs[index] = sum - carry * LIMB_VALUES;
    }
  }
  return {
    add: (hash) => accumulate(hash, 1),
    subtract: (hash) => accumulate(hash, -1),
    hex: () =>
      limbs
        .map((limb) => limb.toString(16).padStart(LIMB_HEX_DIGITS, '0'))
        .reverse()
        .join(''),
  };
}

function limbsOf(hash: StateHash): number[] {
  assert(hash.length === HEX_DIGITS, 'a state hash has 64 hex digits');
  const limbs: number[] = [];
  for (let end = HEX_DIGITS; end > 0; end -= LIMB_HEX_DIGITS) limbs.push(Number.parseInt(hash.slice(end - LIMB_HEX_DIGITS, end), 16));
  return limbs;
}
