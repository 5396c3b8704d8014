import { z } from 'zod';
import { durationMs } from './values.ts';

export const checkSection = z
  .strictObject({
    verifiedWithinMs: durationMs.default(691_200_000).describe('How long ago the last verification that held may be.'),
    testedWithinMs: durationMs.default(2_764_800_000).describe('How long ago the last recovery test that held may be.'),
  })
  .describe('What `rstow check` warns of. How old a backup may be follows from the schedule that makes them.')
  .meta({ sample: { verifiedWithinMs: 259_200_000, testedWithinMs: 1_209_600_000 } });

export type CheckConfig = z.infer<typeof checkSection>;
