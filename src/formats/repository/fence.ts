import { z } from 'zod';
import { extent, timelineId } from './parts.ts';

/** How far each segment reached when all were pinned: every record acknowledged before lies within. */
export const fenceSchema = z.object({
  format: z.literal(1),
  timeline: timelineId,
  pin: z.enum(['links', 'descriptors']),
  segments: z.array(extent),
});

export type Fence = z.infer<typeof fenceSchema>;
