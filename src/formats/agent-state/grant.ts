import { z } from 'zod';

/** A signature that an agent has taken for a run, kept in its state directory: only these let a run replace data. */
export const grantSchema = z.strictObject({
  format: z.literal(1),
  workflowId: z.string(),
  operator: z.string(),
  /** The one plan that it is for; absent where it is for the whole run, as the signature of a start is. */
  planHash: z.string().optional(),
  nonce: z.string(),
  grantedAtMs: z.int(),
});

export type Grant = z.infer<typeof grantSchema>;
