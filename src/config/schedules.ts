import { z } from 'zod';
import { RstowError } from '../core/errors/rstow-error.ts';
import { parseCron } from '../core/schedule/cron.ts';
import { isTimeZone } from '../core/schedule/planned-times.ts';
import { defaultCatchUpMs, SCHEDULED_INPUTS, SCHEDULED_TYPES, type ScheduledType, type WantedSchedule } from '../contract/schedules.ts';
import { INPUT_PARSERS } from '../contract/workflow-types.ts';
import { durationMs } from './values.ts';

const INTERVAL_MIN_MS = 10_000;

const cron = z
  .string()
  .superRefine((text, context) => {
    const parsed = parseCron(text);
    if ('fault' in parsed) context.addIssue({ code: 'custom', message: parsed.fault });
  })
  .meta({ unit: 'cron’s five fields', examples: ['0 */6 * * *'] });

const timeZone = z
  .string()
  .refine(isTimeZone, 'must be the name of a time zone, such as Europe/Berlin or UTC')
  .meta({ unit: 'a time zone’s name' });

const entry = z
  .strictObject({
    cron: cron.optional().describe('When, by the calendar: minute, hour, day of the month, month, day of the week (0 is Sunday).'),
    everyMs: durationMs.min(INTERVAL_MIN_MS).optional().describe('Instead of `cron`: how often, counted from 1970. At least 10 seconds.'),
    timeZone: timeZone.default('UTC').describe('Whose clock `cron` means.'),
    jitterMs: durationMs.default(0).describe('Each run begins up to so much later, by chance, so that many databases don’t begin at once.'),
    catchUpMs: durationMs
      .min(INTERVAL_MIN_MS)
      .optional()
      .describe(
        'How late a run that was missed, because Temporal was down, is still started: one run for all that were missed. If absent, the longest time between two runs, but an hour at least; of `coldBackup` an hour.',
      ),
    paused: z.boolean().default(false).describe('Whether it waits until it is resumed.'),
    input: z
      .record(z.string(), z.unknown())
      .default({})
      .meta({ unit: 'fields of [the type’s input](workflows.md)' })
      .describe('What its runs are started with, beside the database.'),
  })
  .refine(({ cron: calendar, everyMs }) => (calendar === undefined) !== (everyMs === undefined), 'must have either cron or everyMs')
  .describe(
    'What is started again and again, by the workflow’s type. Nothing is scheduled that is not listed: a cold backup stops the server. [`rstow schedule apply`](operators.md) brings Temporal to what stands here.',
  )
  .meta({ sample: { cron: '0 */6 * * *', timeZone: 'Europe/Berlin' } });

export const schedulesSection = z.partialRecord(z.enum(SCHEDULED_TYPES), entry);

type Schedules = z.infer<typeof schedulesSection>;

/** In the order of the types. */
export function wantedSchedules(schedules: Schedules): WantedSchedule[] {
  return SCHEDULED_TYPES.flatMap((type) => {
    const section = schedules[type];
    if (section === undefined) return [];
    const { cron: calendar, everyMs, catchUpMs, input, ...rest } = section;
    const time = calendar === undefined ? { everyMs: everyMs ?? INTERVAL_MIN_MS } : { cron: calendar };
    return [{ type, time, ...rest, catchUpMs: catchUpMs ?? defaultCatchUpMs(type, time), input: { ...SCHEDULED_INPUTS[type], ...input } }];
  });
}

/** What is wrong with the input that a schedule's runs would get, as it follows the key's name. Undefined if nothing is. */
export function scheduleInputFault(database: string, type: string, input: unknown): string | undefined {
  if (!isScheduledType(type) || typeof input !== 'object') return undefined;
  if (input !== null && 'database' in input) return 'must not name a database: it is the one that the schedule belongs to';
  try {
    INPUT_PARSERS[type]([{ database, ...SCHEDULED_INPUTS[type], ...input }]);
    return undefined;
  } catch (error) {
    if (error instanceof RstowError) return `is no input of ${type}: ${error.message}`;
    throw error;
  }
}

function isScheduledType(type: string): type is ScheduledType {
  return SCHEDULED_TYPES.some((known) => known === type);
}
