import type { Duplex, Transform } from 'node:stream';

/** How plain bytes become a stored object and back: filters of one stream. A cipher is one more at its end. */
export type Coding = {
  /** How the keys of what it stores end: `.zst`, or `.zst.<key set>.age`. @see SUFFIX_PATTERN */
  readonly suffix: string;

  /** The first stage is done with a chunk when it calls back: it doesn't hand it on. Without a size it is made for a large object. */
  encode(expectedSizeBytes?: number): [Transform, ...Duplex[]];

  /** Lets the repository say whose keys its suffix names, as `encode` does: for an object that comes in this form already. Twice: no-op. */
  announce: () => Promise<void>;

  /** Of the object of this key, whatever it was stored under. Fails: wrong-key, if there is no key for it here. */
  decode(key: string, expectedSizeBytes?: number): Duplex[];

  /**
   * Whether the object of this key can be opened here, as far as its name and what is known of its key set say: without reading it. Fails:
   * wrong-key, saying what to do.
   */
  requireKey: (key: string) => Promise<void>;

  /**
   * What a stage of `decode` said about the bytes of an object, in our words; any other error passes untouched.
   * Gives: truncated-object, damaged-object.
   */
  errorOf(error: unknown, key: string): unknown;
};
