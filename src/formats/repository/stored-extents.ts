import { z } from 'zod';
import { extent } from './parts.ts';

/** What a backup has stored: each segment up to the first record boundary at or past its fence. */
export const storedExtentsSchema = z.object({
  format: z.literal(1),
  segments: z.array(extent),
  warnings: z.array(z.object({ code: z.string(), message: z.string() })),
});

export type StoredExtents = z.infer<typeof storedExtentsSchema>;
