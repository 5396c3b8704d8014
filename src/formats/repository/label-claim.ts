import { z } from 'zod';

/** `backups/<label>/run.json`: which run has taken the label. */
export const labelClaimSchema = z.object({ format: z.literal(1), runId: z.string() });
