import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import type { ProtectionGap } from '../../core/protection/verdict.ts';
import { compactionSource } from '../../core/protection/compaction.ts';
import { ageText, countedText, durationText, sizeText, whenText } from '../size-text.ts';

type Fact = readonly [name: string, value: string];

/** Each gap, and below it what to type. */
export function gapFacts(gaps: readonly ProtectionGap[]): Fact[] {
  return gaps.flatMap(({ code, sentence, remedy }): Fact[] => [
    ['why', `${code}: ${sentence}`],
    ['what to do', remedy],
  ]);
}

export function scheduleText({ schedule }: Pick<DescribeDatabaseResult, 'schedule'>, nowMs = Date.now()): string {
  if (schedule === null) return 'none';
  const { id, everyMs, nextAtMs, isPaused } = schedule;
  const rhythm = everyMs === undefined ? 'by the calendar' : `every ${intervalText(everyMs)}`;
  const next = nextAtMs === undefined || isPaused ? '' : `, next ${ageText(nextAtMs, nowMs)}`;
  return `${isPaused ? 'PAUSED, ' : ''}${rhythm}${next} (${id})`;
}

/** `15 min`, `2 h`, `90 s`: as it was asked for. */
function intervalText(intervalMs: number): string {
  for (const [unit, unitMs] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1000],
  ] as const) {
    if (intervalMs >= unitMs && intervalMs % unitMs === 0) return `${intervalMs / unitMs} ${unit}`;
  }
  return durationText(intervalMs);
}

export function serverText({ server }: Pick<DescribeDatabaseResult, 'server'>): string {
  if (server === null) return 'unknown: its host does not answer';
  return server.failure === undefined ? 'answers from its data directory' : `${server.failure.code}: ${server.failure.sentence}`;
}

export function compactionText({ server }: Pick<DescribeDatabaseResult, 'server'>): string {
  if (server === null) return 'unknown';
  return `${server.compaction.isOn ? 'ON' : 'off'}: ${compactionSource(server.compaction)}`;
}

export function lastRunText({ lastBackup }: Pick<DescribeDatabaseResult, 'lastBackup'>, nowMs = Date.now()): string {
  if (lastBackup === null) return 'none that Temporal knows';
  const { endedAtMs, failure } = lastBackup;
  if (failure === undefined) return `done, ${whenText(endedAtMs, nowMs)}`;
  return `FAILED ${whenText(endedAtMs, nowMs)}: ${failure.code}: ${failure.sentence}`;
}

/** The newest stands for them all: the disk is what an operator looks for. */
export function replacedText({ replaced }: Pick<DescribeDatabaseResult, 'replaced'>, nowMs = Date.now()): string {
  const newest = replaced.at(-1);
  if (newest === undefined) return 'none';
  const sizeBytes = replaced.reduce((sum, folder) => sum + folder.sizeBytes, 0);
  const sum = `${countedText(replaced.length, 'folder')}, ${sizeText(sizeBytes)}`;
  // The path first: then it has a line of its own, and can be copied.
  return `${newest.path}, kept until ${whenText(newest.keptUntilMs, nowMs)}; ${sum}`;
}
