import { z } from 'zod';

const keys = z.array(z.string());

/** Which stored pieces a backup stores again, decided once: a retry must not put aside what it has stored meanwhile. */
export const healingSchema = z.object({
  format: z.literal(1),
  /** Damaged ones, to be put aside first. */
  damaged: keys,
  /** Promised by the backup before, and not there. */
  missing: keys,
  /** Damaged ones whose bytes the data directory no longer has. */
  lost: keys,
});

export type Healing = z.infer<typeof healingSchema>;
