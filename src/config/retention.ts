import { z } from 'zod';

const DAYS_MAX = 36_500;
const COUNT_MAX = 1_000;

const periods = z.int().min(0).max(COUNT_MAX).default(0);

const gfsSection = z
  .strictObject({
    daily: periods.meta({ unit: 'days' }).describe('So many days that have a backup keep their newest.'),
    weekly: periods.meta({ unit: 'weeks' }).describe('The same of weeks, which begin on Mondays.'),
    monthly: periods.meta({ unit: 'months' }).describe('The same of months.'),
    yearly: periods.meta({ unit: 'years' }).describe('The same of years.'),
  })
  .describe('Which backups stay longer, thinned out: of each period, in UTC, the newest that can be restored.')
  .meta({ sample: { daily: 7, weekly: 5, monthly: 12, yearly: 3 } });

/** How long backups stay. */
export const retentionSection = z
  .strictObject({
    keepDays: z.int().min(1).max(DAYS_MAX).default(30).meta({ unit: 'days' }).describe('How long every backup stays.'),
    keepProven: z
      .int()
      .min(1)
      .max(COUNT_MAX)
      .default(2)
      .meta({ unit: 'backups' })
      .describe('Of each kind, so many stay that a verification or a recovery test has proved, however old they are.'),
    gfs: gfsSection.optional(),
    windowDays: z
      .int()
      .min(1)
      .max(DAYS_MAX)
      .optional()
      .meta({ unit: 'days' })
      .describe(
        'Any point of the last so many days can be recovered to, also of a history that a restore has left since. A time is as exact as the archive’s looks, about a second; where no archive ran, it is as exact as the backups that are left.',
      ),
  })
  .describe('What `rstow expire` keeps: whatever one of these rules keeps stays, and so do the newest backups and those that are held.')
  .meta({ sample: { keepDays: 30, keepProven: 2, windowDays: 14 } });
