import { z } from 'zod';
import { durationMs } from './values.ts';

const GIB = 1024 ** 3;

/** How the log is kept complete that the server's next start needs. */
export const guardSection = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether segments that the server’s compaction deletes are linked back.'),
    intervalMs: durationMs.min(50).default(250).describe('How often the agent looks for new and for deleted segments.'),
    budgetBytes: z
      .int()
      .min(0)
      .default(4 * GIB)
      .meta({ unit: 'bytes' })
      .describe(
        'How much log that compaction has deleted may be kept before the agent warns. Nothing is dropped: the next start needs it.',
      ),
  })
  .describe(
    'The [restart guard](architecture.md#the-restart-guard): hard links keep the whole log in place, so that a server starts with everything though its compaction is on.',
  )
  .meta({ sample: { budgetBytes: 10 * GIB } });
