import { z } from 'zod';
import { sizeBytes } from './parts.ts';

const unixMs = z.int().min(0);

/**
 * `times/<timeline>/<segment>/<range>.<since>-<seen>.json`: when the records of a range came. Each mark: up to which byte the segment
 * went; what lies between the mark before and that byte came after `sinceMs` and by `seenMs`.
 */
export const timesSchema = z.object({
  format: z.literal(1),
  marks: z.array(z.object({ endBytes: sizeBytes, sinceMs: unixMs, seenMs: unixMs })),
});
