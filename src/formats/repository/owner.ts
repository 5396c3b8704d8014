import { z } from 'zod';
import { timelineId } from './parts.ts';

/** Who may write a database's history; the highest generation counts. */
export const ownerSchema = z.object({
  format: z.literal(1),
  generation: z.int().min(1),
  agent: z.string().min(1),
  installationId: z.string().min(1),
  temporal: z.object({ clusterId: z.string(), namespace: z.string() }),
  timeline: timelineId,
  claimedAtMs: z.int(),
});

export type Owner = z.infer<typeof ownerSchema>;
