import type { RunRecord } from '../core/runs/run-record.ts';
import { countedText, durationText, timeText } from './figures.ts';
import { type Fact, factLines } from './output.ts';

/** Each run is a few lines: when and what first, then who, why, and what came of it. */
export function recordLines(records: readonly RunRecord[], columns?: number): string[] {
  return records.flatMap((record, index) => [...(index === 0 ? [] : ['']), ...factLines(recordFacts(record), columns)]);
}

function recordFacts(record: RunRecord): Fact[] {
  const { startedAtMs, database, who, why, runId, label } = record;
  return [
    [timeText(startedAtMs), `${whatText(record)} of ${database}: ${outcomeText(record)}`],
    ['  who', who ?? 'not known'],
    ['  why', why],
    ['  backup', label],
    ['  run', runId],
  ];
}

/** Its type, and what makes another thing of it: `restore (dry run)`, `holdBackup (release)`. */
export function whatText({ type, isDryRun, isRelease }: Pick<RunRecord, 'type' | 'isDryRun' | 'isRelease'>): string {
  if (isRelease === true) return `${type} (release)`;
  return isDryRun === true ? `${type} (dry run)` : type;
}

/** `done in 12.3 s`, `FAILED server-unreachable: nobody listens`. */
export function outcomeText({ state, failure, startedAtMs, endedAtMs }: RunRecord): string {
  const took = endedAtMs === undefined ? '' : ` in ${durationText(endedAtMs - startedAtMs)}`;
  if (failure !== undefined) return `FAILED ${failure.code}${took}: ${failure.sentence}`;
  return `${state === 'failed' ? 'FAILED' : state}${took}`;
}

/** The starts that never were runs. */
export function missedText({ id, missed, skipped }: { id: string; missed: number; skipped: number }): string | undefined {
  const parts = [
    ...(missed === 0 ? [] : [`passed over ${countedText(missed, 'start')}, because Temporal was down for too long`]),
    ...(skipped === 0 ? [] : [`skipped ${countedText(skipped, 'start')}, because the run before was still at work`]),
  ];
  return parts.length === 0 ? undefined : `schedule ${id} has ${parts.join(', and ')}`;
}
