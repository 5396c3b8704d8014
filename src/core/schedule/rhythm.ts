import { type Cron, parseCron } from './cron.ts';
import { cronTimes, intervalTimes, type Span } from './planned-times.ts';

/** When a schedule starts a run: by the calendar of a time zone, or each so many milliseconds, counted from 1970. */
export type Rhythm = { cron: Cron; timeZone: string } | { everyMs: number };

/** As a schedule says it. */
export type WrittenRhythm = { cron?: string | undefined; everyMs?: number | undefined; timeZone?: string | undefined };

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1_440;
/** So far a change of the clocks moves a run, at most. */
const CLOCK_CHANGE_MS = 2 * 3_600_000;
/** From 1970 on: two leap days are among them. */
const CALENDAR_DAYS = 3_000;

/** Undefined if it can't be said in cron's five fields. */
export function rhythmOf({ cron, everyMs, timeZone = 'UTC' }: WrittenRhythm): Rhythm | undefined {
  if (everyMs !== undefined) return { everyMs };
  const parsed = parseCron(cron ?? '');
  return 'fault' in parsed ? undefined : { cron: parsed.cron, timeZone };
}

/** How many runs are due within a span. */
export function dueCount(rhythm: Rhythm, span: Span): number {
  return 'everyMs' in rhythm ? intervalTimes(rhythm.everyMs, span) : cronTimes(rhythm.cron, rhythm.timeZone, span).length;
}

/** When each run within a span is due, the earliest first. */
export function dueTimes(rhythm: Rhythm, span: Span): number[] {
  if ('cron' in rhythm) return cronTimes(rhythm.cron, rhythm.timeZone, span);
  const firstMs = (Math.floor(span.afterMs / rhythm.everyMs) + 1) * rhythm.everyMs;
  return Array.from({ length: dueCount(rhythm, span) }, (_none, index) => firstMs + index * rhythm.everyMs);
}

/** When the first run within a span is due; undefined if none is. */
export function firstDue(rhythm: Rhythm, span: Span): number | undefined {
  if ('cron' in rhythm) return cronTimes(rhythm.cron, rhythm.timeZone, span)[0];
  const dueMs = (Math.floor(span.afterMs / rhythm.everyMs) + 1) * rhythm.everyMs;
  return dueMs <= span.untilMs ? dueMs : undefined;
}

/** The longest time between two runs, in milliseconds, where no clock is changed. */
export function longestGapMs(rhythm: Rhythm): number {
  if ('everyMs' in rhythm) return rhythm.everyMs;
  const { hours, minutes } = rhythm.cron;
  const ofDay = hours.flatMap((hour) => minutes.map((minute) => hour * 60 + minute));
  const [first = 0] = ofDay;
  const last = ofDay.at(-1) ?? first;
  const days = Array.from({ length: CALENDAR_DAYS }, (_none, day) => day).filter((day) => hasDay(rhythm.cron, day));
  const withinDay = ofDay.map((minute, index) => minute - (ofDay[index - 1] ?? minute));
  const overNight = days.map((day, index) => (day - (days[index - 1] ?? day)) * DAY_MINUTES + first - last);
  return Math.max(...withinDay, ...overNight) * MINUTE_MS;
}

/** From the run before the last one to the next, in milliseconds: whatever a run has made is younger, unless one was missed. */
export function twoGapsMs(rhythm: Rhythm, nowMs: number): number {
  if ('everyMs' in rhythm) return 2 * rhythm.everyMs;
  const gapMs = longestGapMs(rhythm) + CLOCK_CHANGE_MS;
  const times = cronTimes(rhythm.cron, rhythm.timeZone, { afterMs: nowMs - 2 * gapMs, untilMs: nowMs + gapMs });
  const next = times.findIndex((timeMs) => timeMs > nowMs);
  const [from, to] = [times[next - 2], times[next]];
  return from === undefined || to === undefined ? 2 * gapMs : to - from;
}

function hasDay({ days, months, weekdays }: Cron, day: number): boolean {
  const date = new Date(day * DAY_MINUTES * MINUTE_MS);
  return days.includes(date.getUTCDate()) && months.includes(date.getUTCMonth() + 1) && weekdays.includes(date.getUTCDay());
}
