import { dueCount, firstDue, longestGapMs, type Rhythm } from '../schedule/rhythm.ts';
import type { Span } from '../schedule/planned-times.ts';
import { durationText, timeText } from '../text/figures.ts';
import type { Found } from './incident.ts';

/** A schedule of a database, and the latest run that it has started. Times are Unix ms. */
export type ScheduledRuns = {
  id: string;
  /** What it starts. */
  type: string;
  /** Undefined if nobody can say when it starts runs. */
  rhythm: Rhythm | undefined;
  jitterMs: number;
  isPaused: boolean;
  /** When it was made, or changed last. */
  changedAtMs: number;
  last?: ScheduledRun | undefined;
};

export type ScheduledRun = {
  workflowId: string;
  dueAtMs: number;
  startedAtMs: number;
  /** Of a run that Temporal has forgotten, its start. */
  end: { kind: 'open' } | { kind: 'done' | 'failed'; atMs: number };
};

type Asked = {
  database: string;
  nowMs: number;
  /** When Temporal said so. */
  askedAtMs: number;
  /** How long what was made good is still said, so that a look sees it. */
  saidMs: number;
};

/** So much later than planned a run may begin, but no interval later. */
const LATE_MS = 120_000;

/** A run that goes on while so many others are due has kept them from being made; one alone may have met its end. */
const SKIPPED_MAX = 1;

/**
 * What each schedule should have started and has not, in time: it is over when the run that makes it good has ended well. While Temporal
 * doesn't answer, by what it said last.
 */
export function missedRunFindings(schedules: readonly ScheduledRuns[], asked: Asked): Found[] {
  return schedules.flatMap((schedule) => missedRun(schedule, asked) ?? []);
}

/** What the config lists and nothing starts, for `rstow schedule apply` was forgotten; of backups the verdict of protection says so. */
export function unscheduledFindings(
  database: string,
  listed: readonly string[],
  schedules: readonly Pick<ScheduledRuns, 'type'>[],
): Found[] {
  const lacking = listed.filter((type) => type !== 'hotBackup' && !schedules.some((schedule) => schedule.type === type));
  const hint = `\`rstow schedule apply ${database}\` makes it.`;
  return lacking.map((type): Found => {
    return {
      severity: 'warning',
      code: 'no-schedule',
      subject: type,
      sentence: `the config lists ${type}, and no schedule starts it`,
      hint,
    };
  });
}

function missedRun({ id, type, rhythm, jitterMs, isPaused, changedAtMs, last }: ScheduledRuns, asked: Asked): Found | undefined {
  if (rhythm === undefined || isPaused) return undefined;
  const { database, nowMs, askedAtMs } = asked;
  const lateMs = Math.min(LATE_MS, longestGapMs(rhythm));
  const found = (sentence: string, hint: string): Found => ({ severity: 'warning', code: 'missed-run', subject: type, sentence, hint });
  const afterMs = Math.max(changedAtMs, last?.startedAtMs ?? 0, last === undefined ? 0 : endMs(last, askedAtMs));
  const dueAtMs = firstDue(rhythm, { afterMs, untilMs: nowMs - jitterMs - lateMs });
  if (dueAtMs !== undefined) {
    const why = dueAtMs > askedAtMs ? `: Temporal has not answered since ${timeText(askedAtMs)}` : '';
    const sentence = `${type} was due at ${timeText(dueAtMs)}, and no run of it is known${why}`;
    return found(sentence, `\`rstow schedule list ${database}\` shows ${id}; \`rstow schedule run ${database} ${type}\` starts it now.`);
  }
  if (last === undefined || (last.end.kind === 'done' && nowMs - last.end.atMs > asked.saidMs)) return undefined;
  const late = lateness(last, { rhythm, lateMs, untilMs: endMs(last, nowMs) });
  return late === undefined ? undefined : found(`${type} ${late}`, `\`rstow watch ${last.workflowId}\` shows the run that makes it good.`);
}

/** Undefined if it began in time, and kept no others from being made. */
function lateness(
  { dueAtMs, startedAtMs }: ScheduledRun,
  { rhythm, lateMs, untilMs }: { rhythm: Rhythm; lateMs: number; untilMs: number },
): string | undefined {
  const agoMs = startedAtMs - dueAtMs;
  if (agoMs > lateMs) return `of ${timeText(dueAtMs)} began ${durationText(agoMs)} late`;
  const span: Span = { afterMs: startedAtMs, untilMs };
  const skipped = dueCount(rhythm, span);
  if (skipped <= SKIPPED_MAX) return undefined;
  return `that began at ${timeText(startedAtMs)} has gone on while ${skipped} more were due`;
}

function endMs({ end }: ScheduledRun, openMs: number): number {
  return end.kind === 'open' ? openMs : end.atMs;
}
