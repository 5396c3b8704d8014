/** A time by the calendar, in cron's five fields. Each holds the numbers that match, in order; Sunday is 0. */
export type Cron = { minutes: number[]; hours: number[]; days: number[]; months: number[]; weekdays: number[] };

type FieldShape = { key: keyof Cron; what: string; min: number; max: number; names: readonly string[] };

const MONTH_NAMES = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAY_NAMES = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

const SHAPES: readonly FieldShape[] = [
  { key: 'minutes', what: 'minute', min: 0, max: 59, names: [] },
  { key: 'hours', what: 'hour', min: 0, max: 23, names: [] },
  { key: 'days', what: 'day of the month', min: 1, max: 31, names: [] },
  { key: 'months', what: 'month', min: 1, max: 12, names: MONTH_NAMES },
  { key: 'weekdays', what: 'day of the week', min: 0, max: 6, names: WEEKDAY_NAMES },
];

/** Days that a month has at most, January first. */
const MONTH_DAYS_MAX = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** What an expression says, or what is wrong with it, as it follows its name: `must have five fields`. */
export function parseCron(text: string): { cron: Cron } | { fault: string } {
  const parts = text.trim().split(/\s+/);
  if (parts.length !== SHAPES.length) return { fault: 'must have five fields: minute, hour, day of the month, month, day of the week' };
  const cron: Cron = { minutes: [], hours: [], days: [], months: [], weekdays: [] };
  for (const [index, shape] of SHAPES.entries()) {
    const part = parts[index] ?? '';
    const numbers = fieldNumbers(part, shape);
    if (numbers === undefined) return { fault: `has the ${shape.what} "${part}", which must be made of ${grammar(shape)}` };
    cron[shape.key] = numbers;
  }
  return faultOf(cron) ?? { cron };
}

function grammar({ min, max, names }: FieldShape): string {
  const named = names.length === 0 ? '' : ` or ${names[0] ?? ''} to ${names.at(-1) ?? ''}`;
  return `numbers from ${min} to ${max}${named}, as 1, 1-3, 1,3 or */2`;
}

/** Undefined for what is none. */
function fieldNumbers(part: string, shape: FieldShape): number[] | undefined {
  const ranges = part.split(',').map((range) => rangeNumbers(range, shape));
  if (ranges.some((numbers) => numbers === undefined)) return undefined;
  return [...new Set(ranges.flatMap((numbers) => numbers ?? []))].sort((left, right) => left - right);
}

function rangeNumbers(range: string, shape: FieldShape): number[] | undefined {
  const [, first = '', last, step] = /^(\*|[0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?(?:\/([0-9]{1,2}))?$/.exec(range) ?? [];
  const isAll = first === '*';
  if (isAll && last !== undefined) return undefined;
  const from = isAll ? shape.min : numberOf(first, shape);
  const openEnd = isAll || step !== undefined ? shape.max : from;
  const to = last === undefined ? openEnd : numberOf(last, shape);
  const by = Number(step ?? 1);
  if (from === undefined || to === undefined || to < from || by === 0) return undefined;
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_none, index) => from + index * by);
}

function numberOf(text: string, { min, max, names }: FieldShape): number | undefined {
  const index = names.indexOf(text.toUpperCase());
  if (index !== -1) return min + index;
  const number = /^[0-9]{1,2}$/.test(text) ? Number(text) : Number.NaN;
  return number >= min && number <= max ? number : undefined;
}

/** Cron wants either day to match and Temporal both, so that who writes both may mean something else. */
function faultOf({ days, months, weekdays }: Cron): { fault: string } | undefined {
  if (days.length < 31 && weekdays.length < 7) {
    return { fault: 'names days of the month and days of the week: leave one of them as *, for cron and Temporal read both differently' };
  }
  const isPossible = months.some((month) => (days[0] ?? 0) <= (MONTH_DAYS_MAX[month - 1] ?? 0));
  return isPossible ? undefined : { fault: 'names a day that none of its months has' };
}
