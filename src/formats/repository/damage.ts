import { z } from 'zod';

/** `damage/<runId>-<atMs>.json`: an object that a check found damaged, until a backup has stored it again. */
export const damageSchema = z.object({
  format: z.literal(1),
  key: z.string().min(1),
  /** The backup that was checked. */
  label: z.string(),
  runId: z.string(),
  atMs: z.int(),
});

export type DamageFact = z.infer<typeof damageSchema>;
