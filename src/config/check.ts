import { z } from 'zod';
import { durationMs } from './values.ts';

export const checkSection = z
  .strictObject({
    backedUpWithinMs: durationMs
      .optional()
      .describe(
        'How long ago the newest backup may have been made. If absent, as long as it takes from the run before the last one to the next by the schedule that makes them, so two intervals; two days without a schedule.',
      ),
    verifiedWithinMs: durationMs.default(691_200_000).describe('How long ago the last verification that held may be.'),
    testedWithinMs: durationMs.default(2_764_800_000).describe('How long ago the last recovery test that held may be.'),
  })
  .describe('What `rstow check` and the agent’s [alerts](alerts.md) warn of.')
  .meta({ sample: { backedUpWithinMs: 86_400_000, verifiedWithinMs: 259_200_000, testedWithinMs: 1_209_600_000 } });

export type CheckConfig = z.infer<typeof checkSection>;
