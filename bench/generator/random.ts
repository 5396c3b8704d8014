/** A sequence that looks random and is the same on every machine (sfc32). */
export type Random = {
  /** 32 random bits, unsigned. */
  bits(): number;
  /** 0 to `limit - 1`. */
  below(limit: number): number;
  pick<Item>(items: readonly Item[]): Item;
  /** Lower-case hex digits, 8 for each `words`. */
  hex(words: number): string;
};

const WARM_UP_ROUNDS = 12;

export function createRandom(seed: number): Random {
  const bits = createBits(seed);
  const below = (limit: number): number => Math.floor((bits() / 2 ** 32) * limit);
  return {
    bits,
    below,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
    hex: (words) => Array.from({ length: words }, () => bits().toString(16).padStart(8, '0')).join(''),
  };
}

function createBits(seed: number): () => number {
  let [a, b, c, counter] = [0x9e3779b9, seed | 0, 0x243f6a88, 1];
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let round = 0; round < WARM_UP_ROUNDS; round += 1) next();
  return next;
}
