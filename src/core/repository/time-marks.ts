import type { StreamPiece, TimeWindow } from './stream-piece.ts';

/** Up to which byte of a segment the log went at a time: what lies between the mark before and this one came in its window. */
export type TimeMark = TimeWindow & { endBytes: number };

/** So many marks of one range are kept: a range of 16 MiB, in steps of 4 KiB. */
export const MARKS_MAX = 4096;

/** Marks of neighbouring ranges as one list, in the order of the log. */
export function joinedMarks(pieces: readonly StreamPiece[], kept: readonly TimeMark[]): TimeMark[] {
  const own = pieces.map(({ endBytes, sinceMs, seenMs }): TimeMark => ({ endBytes, sinceMs, seenMs }));
  const byEnd = new Map<number, TimeMark>();
  // Of two with one end, the narrower window says more: a merged object has the window of all that it holds.
  for (const mark of [...own, ...kept]) {
    const known = byEnd.get(mark.endBytes);
    if (known === undefined || widthMs(mark) < widthMs(known)) byEnd.set(mark.endBytes, mark);
  }
  return [...byEnd.values()].sort((one, other) => one.endBytes - other.endBytes);
}

function widthMs({ sinceMs, seenMs }: TimeWindow): number {
  return seenMs - sinceMs;
}

/** The same in at most so many: neighbours become one, whose window spans both, so that none says more than is known. */
export function thinned(marks: readonly TimeMark[], countMax = MARKS_MAX): TimeMark[] {
  const groupSize = Math.ceil(marks.length / countMax);
  if (groupSize <= 1) return [...marks];
  const groups = Array.from({ length: Math.ceil(marks.length / groupSize) }, (_, index) =>
    marks.slice(index * groupSize, (index + 1) * groupSize),
  );
  return groups.map((group) => ({ endBytes: (group.at(-1) as TimeMark).endBytes, ...windowOf(group) }));
}

/** The window that holds all of these. */
export function windowOf(windows: readonly TimeWindow[]): TimeWindow {
  const sinceMs = Math.min(...windows.map((window) => window.sinceMs));
  const seenMs = Math.max(...windows.map((window) => window.seenMs));
  return { sinceMs, seenMs };
}
