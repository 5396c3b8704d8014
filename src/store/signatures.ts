import { usedSignatureKey } from '../core/repository/object-keys.ts';
import { type UsedSignature, usedSignatureSchema } from '../formats/repository/facts.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';

/** Signatures of operators that were taken, each for one run. */
export type Signatures = {
  /** Undefined if nobody has used it. */
  find(nonce: string): Promise<UsedSignature | undefined>;
  /** Twice: the first use stands. */
  put(use: UsedSignature): Promise<void>;
};

export function signaturesOf({ repository, database }: { repository: Repository; database: string }): Signatures {
  return {
    find: (nonce) => readSealed(repository, usedSignatureKey(database, nonce), usedSignatureSchema),
    put: async (use) => {
      await putSealed(repository, usedSignatureKey(database, use.nonce), { schema: usedSignatureSchema, value: use });
    },
  };
}
