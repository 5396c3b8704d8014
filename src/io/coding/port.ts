import type { Transform } from 'node:stream';

/** How plain bytes become a stored object and back: filters of one stream. A cipher is one more at its end. */
export type Coding = {
  /** How the keys of what it stores end: `.zst`; a cipher behind the compression adds its own, as in `.zst.age`. */
  readonly suffix: string;

  /** The first stage is done with a chunk when it calls back: it doesn't hand it on. Without a size it is made for a large object. */
  encode(expectedSizeBytes?: number): [Transform, ...Transform[]];

  decode(expectedSizeBytes?: number): Transform[];

  /**
   * What a stage of `decode` said about the bytes of an object, in our words; any other error passes untouched.
   * Gives: truncated-object, damaged-object.
   */
  errorOf(error: unknown, key: string): unknown;
};
