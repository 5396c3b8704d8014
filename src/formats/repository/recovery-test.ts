import { z } from 'zod';
import { count } from './parts.ts';

/** A remembered recovery test: a fact of its day, never changed. */
export const recoveryTestSchema = z.object({
  format: z.literal(1),
  label: z.string(),
  /** The offset up to which the log was recovered, in decimal; absent where the test ended before it was known. */
  end: z.string().optional(),
  seed: count.optional(),
  atMs: z.int(),
  runId: z.string(),
  agent: z.string(),
  held: z.boolean(),
  assertionsHeld: count,
  rtoMs: count.optional(),
  failure: z.object({ code: z.string(), sentence: z.string(), key: z.string().optional() }).optional(),
});

export type RecoveryTest = z.infer<typeof recoveryTestSchema>;
