import type { Span } from '../core/schedule/planned-times.ts';
import { parseCron } from '../core/schedule/cron.ts';
import { dueCount, dueTimes, longestGapMs, type Rhythm } from '../core/schedule/rhythm.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { WorkflowType } from './workflow-types.ts';

/** The types that a schedule may start, each with what its input has beside the database if nothing else is said. */
export const SCHEDULED_INPUTS = {
  hotBackup: {},
  coldBackup: {},
  verifyBackup: {},
  testRecovery: {},
  checkDatabase: {},
  copyBackups: {},
  expireBackups: { apply: true },
} as const satisfies Partial<Record<WorkflowType, object>>;

export type ScheduledType = keyof typeof SCHEDULED_INPUTS;

export const SCHEDULED_TYPES = Object.keys(SCHEDULED_INPUTS) as ScheduledType[];

/** When a schedule starts a run: by the calendar, or each so many milliseconds, counted from 1970. */
export type ScheduleTime = { cron: string } | { everyMs: number };

/** One schedule of a database as its config wants it. */
export type WantedSchedule = {
  type: ScheduledType;
  time: ScheduleTime;
  /** By its IANA name; of a calendar. */
  timeZone: string;
  /** Each run begins up to so much later, by chance. */
  jitterMs: number;
  /** How late a run that was missed, because Temporal was down, may still be started. @see defaultCatchUpMs */
  catchUpMs: number;
  paused: boolean;
  /** What the input of its runs has beside the database. */
  input: object;
};

const HOUR_MS = 3_600_000;

/** So far ahead runs are counted, and what they leave is foretold. */
export const PLANNED_MS = 30 * 24 * HOUR_MS;

/**
 * Until the next one is due, but an hour at least, so that whatever was missed is made good by one run. A cold backup stops the server:
 * nobody expects that later than an hour after its time. Fails: invalid-input.
 */
export function defaultCatchUpMs(type: ScheduledType, time: ScheduleTime): number {
  return type === 'coldBackup' ? HOUR_MS : Math.max(HOUR_MS, longestGapMs(rhythm({ time, timeZone: 'UTC' })));
}

/** How many runs a schedule plans within a span, whether or not one is skipped. Fails: invalid-input. */
export function plannedRuns({ time, timeZone, paused }: WantedSchedule, span: Span): number {
  return paused ? 0 : dueCount(rhythm({ time, timeZone }), span);
}

/** When each of these runs begins, but for its jitter. Fails: invalid-input. */
export function plannedTimes({ time, timeZone, paused }: WantedSchedule, span: Span): number[] {
  return paused ? [] : dueTimes(rhythm({ time, timeZone }), span);
}

function rhythm({ time, timeZone }: Pick<WantedSchedule, 'time' | 'timeZone'>): Rhythm {
  if ('everyMs' in time) return time;
  const parsed = parseCron(time.cron);
  if ('fault' in parsed) throw new RstowError('invalid-input', `the cron expression "${time.cron}" ${parsed.fault}`);
  return { cron: parsed.cron, timeZone };
}
