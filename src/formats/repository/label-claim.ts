import { z } from 'zod';

/** `labels/<label>.json`: which run has taken the label; also what a name in `index/` holds. */
export const labelClaimSchema = z.object({ format: z.literal(1), runId: z.string() });
