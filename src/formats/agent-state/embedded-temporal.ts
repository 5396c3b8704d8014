import { z } from 'zod';

/** What `rstow up` remembers of the Temporal server that it runs. */
export const embeddedTemporalStateSchema = z.strictObject({
  /** Of the Temporal CLI that last opened the database file, written before it did. */
  cliVersion: z.string().regex(/^[0-9]+\.[0-9]+\.[0-9]+$/),
  /** Where the server was last started. */
  port: z.int(),
  uiPort: z.int(),
  /** Absent until it has answered once. */
  clusterId: z.string().min(1).optional(),
});

export type EmbeddedTemporalState = z.infer<typeof embeddedTemporalStateSchema>;
