import { z } from 'zod';
import { durationMs } from './values.ts';

const HOUR_MS = 3_600_000;

/** The continuous archive of a database's log. */
export const archiveSection = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether the log is stored continuously, about a second behind the server.'),
    intervalMs: durationMs.min(50).default(1_000).describe('How often the log is looked at: about so much can be lost with the host.'),
    tidyMs: durationMs.min(100).default(60_000).describe('How often small objects are merged, and what was lost of them is stored again.'),
    keptMs: durationMs.default(HOUR_MS).describe('How long an object stays that others cover: whoever reads it may still be at it.'),
    turnMs: durationMs
      .min(1_000)
      .max(HOUR_MS)
      .default(HOUR_MS)
      .describe('After this time the step that follows the log ends, and the next one begins.'),
    bytesPerSecond: z
      .int()
      .min(1024)
      .optional()
      .meta({ unit: 'bytes' })
      .describe('How much of the log is stored in a second at most; no limit if absent. `rstow archive --bandwidth` changes it for a run.'),
  })
  .describe('The continuous archive: the log is stored as it grows, so that a lost host costs about a second.')
  .meta({ sample: { enabled: true } });
