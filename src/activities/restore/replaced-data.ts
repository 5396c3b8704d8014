import type { RestorePlan } from '../../formats/repository/restore-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { readTimelineFile } from '../../io/data-directory/timeline-file.ts';
import { FIRST_TIMELINE } from '../../store/timelines.ts';

/** What a restore in place will replace, as it was when the restore was planned; null where there is nothing. */
export type ReplacedData = NonNullable<RestorePlan['replaces']>['data'];

/** The end is where the last segment's file ends, whole record or not. */
export async function readReplacedData(walDir: string): Promise<ReplacedData> {
  const last = (await listSegments(walDir))?.at(-1);
  if (last === undefined) return null;
  const { segment, sizeBytes: endBytes } = last;
  return { timeline: await timelineOf(walDir), end: { segment, endBytes } };
}

/** What is to be replaced may well be spoilt; a log that nobody has marked yet is of the first timeline. */
async function timelineOf(walDir: string): Promise<string | null> {
  try {
    return (await readTimelineFile(walDir))?.timeline ?? FIRST_TIMELINE;
  } catch (error) {
    if (error instanceof RstowError && error.code === 'timeline-diverged') return null;
    throw error;
  }
}

/**
 * What was agreed to be replaced is still there, and has only grown: otherwise somebody else has restored meanwhile, or
 * put other files there. Data that have vanished since are no reason to stop. Fails: data-directory-replaced.
 */
export function requireOnlyGrown(before: ReplacedData, now: ReplacedData, walDir: string): void {
  if (now === null) return;
  const isSame = before !== null && before.timeline === now.timeline && !isBefore(now.end, before.end);
  if (isSame) return;
  const sentence = `the restore was planned to replace ${describe(before)}, but ${walDir} now holds ${describe(now)}; nothing was touched`;
  throw new RstowError('data-directory-replaced', sentence, { details: { walDir } });
}

type End = NonNullable<ReplacedData>['end'];

function isBefore(one: End, other: End): boolean {
  return one.segment < other.segment || (one.segment === other.segment && one.endBytes < other.endBytes);
}

function describe(data: ReplacedData): string {
  if (data === null) return 'nothing';
  const { timeline, end } = data;
  return `timeline ${timeline ?? 'unknown'} up to byte ${end.endBytes} of segment ${end.segment}`;
}
