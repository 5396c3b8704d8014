import type { Cron } from './cron.ts';

/** A span of Unix times, without its beginning and with its end. */
export type Span = { afterMs: number; untilMs: number };

const MINUTE_MS = 60_000;
/** Every zone's offset is a multiple of it, so that a quarter of an hour is never cut by a change of the clocks. */
const QUARTER_MINUTES = 15;
const QUARTER_MS = QUARTER_MINUTES * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** No day is shorter, also where clocks go forward. */
const DAY_HOURS_MIN = 21;

const WEEKDAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];

/** A name that both this program and Temporal, which is strict about capitals, take for a time zone. */
export function isTimeZone(text: string): boolean {
  if (!/^[A-Z][A-Za-z0-9_+/-]*$/.test(text)) return false;
  try {
    return clockOf(text).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** How often an interval comes: Temporal counts it from 1970. */
export function intervalTimes(everyMs: number, { afterMs, untilMs }: Span): number {
  return Math.floor(untilMs / everyMs) - Math.floor(afterMs / everyMs);
}

/** A local time that doesn't exist, because clocks go forward, is left out; one that comes twice is there twice. */
export function cronTimes(cron: Cron, timeZone: string, { afterMs, untilMs }: Span): number[] {
  const clock = clockOf(timeZone);
  const times: number[] = [];
  let quarterMs = Math.floor(afterMs / QUARTER_MS) * QUARTER_MS;
  while (quarterMs <= untilMs) {
    const local = localTime(clock, quarterMs);
    if (matchesHour(cron, local))
      times.push(...minutesOf(cron, quarterMs, local).filter((timeMs) => timeMs > afterMs && timeMs <= untilMs));
    quarterMs += matchesDay(cron, local) ? QUARTER_MS : Math.max(QUARTER_MS, (DAY_HOURS_MIN - local.hour) * HOUR_MS);
  }
  return times;
}

type LocalTime = { month: number; day: number; hour: number; minute: number; weekday: number };

function minutesOf({ minutes }: Cron, quarterMs: number, { minute }: LocalTime): number[] {
  return minutes
    .map((wanted) => wanted - minute)
    .flatMap((later) => (later >= 0 && later < QUARTER_MINUTES ? [quarterMs + later * MINUTE_MS] : []));
}

function matchesHour(cron: Cron, local: LocalTime): boolean {
  return cron.hours.includes(local.hour) && matchesDay(cron, local);
}

function matchesDay({ days, months, weekdays }: Cron, { month, day, weekday }: LocalTime): boolean {
  return days.includes(day) && months.includes(month) && weekdays.includes(weekday);
}

function clockOf(timeZone: string): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    weekday: 'short',
  });
}

function localTime(clock: Intl.DateTimeFormat, timeMs: number): LocalTime {
  const parts = new Map(clock.formatToParts(timeMs).map(({ type, value }) => [type, value]));
  const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type));
  return {
    month: number('month'),
    day: number('day'),
    hour: number('hour'),
    minute: number('minute'),
    weekday: WEEKDAYS.indexOf(parts.get('weekday') ?? ''),
  };
}
