import type { Duplex } from 'node:stream';
import type { RstowError } from '../../core/errors/rstow-error.ts';
import type { Cipher } from '../../core/repository/coded-name.ts';
import type { KeySet } from '../../formats/repository/key-set.ts';

/** What is known of an object that is about to be opened. */
export type Access = {
  keySet: string;
  /** What it means if no key fits. Undefined if one is known to: then the object is damaged. */
  wrongKey: RstowError | undefined;
};

/** One section `encryption` of the config: what it encrypts by, and which key sets it opens. Secrets are read when they are first needed. */
export type ObjectCipher = {
  readonly cipher: Cipher;
  /** By which it encrypts. */
  readonly current: { keySet: string; what: KeySet };
  /** The keys of the config that are to be named, and what to name there: for a person whose host lacks them. */
  readonly advice: string;
  /** Whether a key of the set is here; undefined if only an object of it can say. Fails: invalid-config, encryption-unsupported. */
  holds(keySet: string, known: KeySet | undefined): Promise<boolean | undefined>;
  /** `before` is awaited before anything is encrypted. */
  encrypt(before: () => Promise<void>): Duplex;
  /** Fails: as `access`; wrong-key, truncated-object, damaged-object, invalid-config, encryption-unsupported. */
  decrypt(key: string, access: () => Promise<Access>): Duplex[];
};

/** Does it once; what has failed is done anew. */
export function once<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let result: Promise<Result> | undefined;
  return () => {
    result ??= work().catch((error: unknown) => {
      result = undefined;
      throw error;
    });
    return result;
  };
}
