import { z } from 'zod';
import { extent, timelineId } from './parts.ts';

/** The identity of one WAL history. A child shares its parent's bytes up to the fork. */
export const timelineSchema = z.object({
  format: z.literal(1),
  timeline: timelineId,
  generation: z.int().min(1),
  parent: z.object({ timeline: timelineId, label: z.string(), extents: z.array(extent) }).nullable(),
  why: z.enum(['first', 'restore']),
  runId: z.string(),
  createdAtMs: z.int(),
});

export type Timeline = z.infer<typeof timelineSchema>;
