import { z } from 'zod';

/** A signature that was taken, and for which run: no other run can use it again. It is also the record of who agreed. */
export const usedSignatureSchema = z.object({
  format: z.literal(1),
  nonce: z.string(),
  operator: z.string(),
  purpose: z.enum(['start', 'approve']),
  workflowId: z.string(),
  firstRunId: z.string(),
  signedAtMs: z.int(),
  usedAtMs: z.int(),
});

export type UsedSignature = z.infer<typeof usedSignatureSchema>;
