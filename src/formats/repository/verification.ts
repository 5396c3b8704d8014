import { z } from 'zod';
import { CHECK_LEVELS } from '../../core/backup/standing.ts';

/** A remembered verification: a fact of its day, never changed. */
export const verificationSchema = z.object({
  format: z.literal(1),
  label: z.string(),
  level: z.enum(CHECK_LEVELS),
  atMs: z.int(),
  runId: z.string(),
  held: z.boolean(),
  /** The failure's code and sentence where it did not hold, and the object that was damaged. */
  failure: z.object({ code: z.string(), sentence: z.string(), key: z.string().optional() }).optional(),
  /** No check, but that a backup has stored these objects again: what failed because of them stands no more. */
  repairedKeys: z.array(z.string()).optional(),
});

export type Verification = z.infer<typeof verificationSchema>;
