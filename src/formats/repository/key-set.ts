import { z } from 'zod';

/** `keys/<key set>.json`: whose keys open the objects of the set. */
export const keySetSchema = z.object({
  format: z.literal(1),
  cipher: z.enum(['age', 'gpg']),
  by: z.enum(['recipients', 'passphrase']),
  /** Of age, or fingerprints of gpg's keys; none if it is a passphrase. */
  recipients: z.array(z.string()),
});

export type KeySet = z.infer<typeof keySetSchema>;
