import { z } from 'zod';
import { timelineId } from '../repository/parts.ts';

/** `wal/rstow-timeline.json`: which history the bytes beside it belong to. It moves with the data. */
export const timelineFileSchema = z.strictObject({
  format: z.literal(1),
  database: z.string().min(1),
  timeline: timelineId,
  generation: z.int().min(1),
  /** The history that these bytes began as, and the run that forked them off. */
  fork: z.strictObject({ from: timelineId, runId: z.string().min(1) }).optional(),
});

export type TimelineFile = z.infer<typeof timelineFileSchema>;
