import { crc32 } from 'node:zlib';

/** Tells of most ids that are not in a run that they are not, without a look at its blocks: one in a hundred passes all the same. */
export type IdFilter = { readonly bits: Uint8Array; add(id: string): void; mayHave(id: string): boolean };

const BITS_EACH = 10;
const PROBES = 6;
const OTHER_SEED = 0x9e3779b9;

export function createIdFilter(idsMax: number): IdFilter {
  return idFilterOf(new Uint8Array(Math.ceil((Math.max(1, idsMax) * BITS_EACH) / 8)));
}

export function idFilterOf(bits: Uint8Array): IdFilter {
  const count = bits.length * 8;
  const probe = (id: string, visit: (byte: number, mask: number) => boolean): boolean => {
    const first = crc32(id);
    const step = crc32(id, OTHER_SEED);
    for (let turn = 0; turn < PROBES; turn += 1) {
      const bit = (first + turn * step) % count;
      if (!visit(bit >>> 3, 1 << (bit & 7))) return false;
    }
    return true;
  };
  return {
    bits,
    add: (id) => {
      probe(id, (byte, mask) => {
        bits[byte] = (bits[byte] ?? 0) | mask;
        return true;
      });
    },
    mayHave: (id) => probe(id, (byte, mask) => ((bits[byte] ?? 0) & mask) !== 0),
  };
}
