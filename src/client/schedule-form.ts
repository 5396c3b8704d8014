/** A schedule as Temporal has it, and the same as its config says it: what `apply` compares. */
import {
  type CalendarSpecDescription,
  DAYS_OF_WEEK,
  MONTHS,
  type Range,
  type ScheduleDescription,
  type ScheduleOptions,
  ScheduleOverlapPolicy,
} from '@temporalio/client';
import { GIVE_UP_MEMO, runWorkflowId, SCHEDULE_MEMO, scheduleId, WORKFLOW_QUEUE } from '../contract/names.ts';
import type { WantedSchedule } from '../contract/schedules.ts';
import { parseCron } from '../core/schedule/cron.ts';

/** By the keys of the config, and `action` for what a run is started with beside its input; absent where there is none. */
export type ScheduleFields = Record<
  'cron' | 'everyMs' | 'timeZone' | 'jitterMs' | 'catchUpMs' | 'paused' | 'input' | 'action',
  string | undefined
>;

/** Who has paused it: a pause of an operator's has a reason of their own, and stays. */
export const CONFIG_PAUSE_NOTE = 'paused in the config file';

/** Missed runs are one run: of those that are due at once, and while one goes, the others are skipped. */
export function scheduleOptions(database: string, wanted: WantedSchedule) {
  const { type, time, timeZone, jitterMs, catchUpMs, paused, input } = wanted;
  const when = 'cron' in time ? { cronExpressions: [`${time.cron} # ${time.cron}`] } : { intervals: [{ every: time.everyMs }] };
  return {
    scheduleId: scheduleId(database, type),
    spec: { ...when, timezone: timeZone, jitter: jitterMs },
    action: {
      type: 'startWorkflow',
      workflowType: type,
      workflowId: runWorkflowId(database, type, 'scheduled'),
      taskQueue: WORKFLOW_QUEUE,
      args: [{ requestedBy: 'schedule', ...input, database }],
      memo: { [GIVE_UP_MEMO]: giveUpMs(wanted) },
      staticSummary: `${type} of ${database}, by schedule`,
    },
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: catchUpMs },
    memo: { [SCHEDULE_MEMO]: database },
    state: paused ? { paused, note: CONFIG_PAUSE_NOTE } : { paused },
  } satisfies ScheduleOptions;
}

/** A run waits for as long as its interval; one by the calendar is no longer of use when it could not be caught up either. */
function giveUpMs({ time, catchUpMs }: WantedSchedule): number {
  return 'everyMs' in time ? time.everyMs : catchUpMs;
}

export function wantedFields(database: string, wanted: WantedSchedule): ScheduleFields {
  const { time, timeZone, jitterMs, catchUpMs, paused } = wanted;
  const { action, policies } = scheduleOptions(database, wanted);
  return {
    cron: 'cron' in time ? time.cron : undefined,
    everyMs: 'everyMs' in time ? String(time.everyMs) : undefined,
    timeZone,
    jitterMs: String(jitterMs),
    catchUpMs: String(catchUpMs),
    paused: String(paused),
    input: sortedJson(action.args[0]),
    action: actionText(action, policies.overlap),
  };
}

export function presentFields({ spec, action, policies, state }: ScheduleDescription): ScheduleFields {
  const [interval, ...intervals] = spec.intervals ?? [];
  const [calendar, ...calendars] = spec.calendars ?? [];
  const others = intervals.length + calendars.length + (spec.skip ?? []).length;
  const isOdd = others > 0 || (interval?.offset ?? 0) !== 0 || spec.startAt !== undefined || spec.endAt !== undefined;
  return {
    cron: isOdd ? 'times of somebody else’s' : calendar === undefined ? undefined : cronText(calendar),
    everyMs: interval === undefined || isOdd ? undefined : String(interval.every),
    timeZone: spec.timezone ?? 'UTC',
    jitterMs: String(spec.jitter ?? 0),
    catchUpMs: String(policies.catchupWindow),
    paused: String(state.paused),
    input: sortedJson(action.args?.[0]),
    action: actionText(action, policies.overlap),
  };
}

/** Without the memo, which follows from the times. */
type Action = Pick<ScheduleDescription['action'], 'workflowType' | 'taskQueue' | 'workflowId'>;

function actionText({ workflowType, taskQueue, workflowId }: Action, overlap: ScheduleOverlapPolicy): string {
  return sortedJson({ workflowType, taskQueue, workflowId, overlap });
}

/** The comment, as long as it says what Temporal follows: somebody else may have changed that. */
function cronText(calendar: CalendarSpecDescription): string {
  const cron = calendar.comment?.trim() ?? '';
  const parsed = parseCron(cron);
  if ('fault' in parsed) return 'a calendar of somebody else’s';
  const { minutes, hours, days, months, weekdays } = parsed.cron;
  const isSame =
    sameNumbers(minutes, calendar.minute) &&
    sameNumbers(hours, calendar.hour) &&
    sameNumbers(days, calendar.dayOfMonth) &&
    sameNumbers(months, numbered(calendar.month, MONTHS, 1)) &&
    sameNumbers(weekdays, numbered(calendar.dayOfWeek, DAYS_OF_WEEK, 0));
  return isSame ? cron : 'a calendar of somebody else’s';
}

function numbered<Name>(ranges: readonly Range<Name>[], names: readonly Name[], first: number): Range<number>[] {
  return ranges.map(({ start, end, step }) => ({ start: names.indexOf(start) + first, end: names.indexOf(end) + first, step }));
}

function sameNumbers(numbers: readonly number[], ranges: readonly Range<number>[]): boolean {
  const expanded = new Set<number>();
  for (const { start, end, step } of ranges) for (let number = start; number <= end; number += Math.max(1, step)) expanded.add(number);
  return expanded.size === numbers.length && numbers.every((number) => expanded.has(number));
}

/** The keys at every depth in one order. */
function sortedJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    const isObject = typeof member === 'object' && member !== null && !Array.isArray(member);
    return isObject ? Object.fromEntries(Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1))) : member;
  });
}
