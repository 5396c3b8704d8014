import type { StreamPiece, TimeWindow } from '../repository/stream-piece.ts';
import type { TimeMark } from '../repository/time-marks.ts';
import type { Extent, SegmentId } from '../wal/wal-offset.ts';

/** Bytes of one segment, and when they came. */
export type TimedBytes = TimeWindow & { startBytes: number; endBytes: number };

/** The marks of a range, each with where its bytes begin. */
export function timedBytes(range: Pick<StreamPiece, 'startBytes'>, marks: readonly TimeMark[]): TimedBytes[] {
  return marks.map(({ endBytes, sinceMs, seenMs }, index) => {
    const startBytes = marks[index - 1]?.endBytes ?? range.startBytes;
    return { startBytes, endBytes, sinceMs, seenMs };
  });
}

/**
 * All that is known of when the bytes of a segment came, in their order and each byte once. What was merged spans the windows of all that it
 * holds: of two that know of a byte, the narrower one counts.
 */
export function finestTimes(known: readonly TimedBytes[]): TimedBytes[] {
  const bounds = [...new Set(known.flatMap(({ startBytes, endBytes }) => [startBytes, endBytes]))].sort((one, other) => one - other);
  const narrowestFirst = known.toSorted((one, other) => one.seenMs - one.sinceMs - (other.seenMs - other.sinceMs));
  const parts: (TimedBytes | undefined)[] = bounds.slice(1).map(() => undefined);
  const partAt = new Map(bounds.map((bound, index) => [bound, index]));
  for (const one of narrowestFirst) {
    const until = partAt.get(one.endBytes) ?? 0;
    for (let part = partAt.get(one.startBytes) ?? 0; part < until; part += 1) parts[part] ??= one;
  }
  const finest: TimedBytes[] = [];
  for (const [index, part] of parts.entries()) {
    if (part === undefined) continue;
    const [startBytes = 0, endBytes = 0] = bounds.slice(index, index + 2);
    const last = finest.at(-1);
    const { sinceMs, seenMs } = part;
    if (last?.endBytes === startBytes && last.sinceMs === sinceMs && last.seenMs === seenMs) last.endBytes = endBytes;
    else finest.push({ startBytes, endBytes, sinceMs, seenMs });
  }
  return finest;
}

/** When a byte came; undefined if nobody knows. `finest` as finestTimes gives it. */
export function timeOf(finest: readonly TimedBytes[], byte: number): TimeWindow | undefined {
  let [low, high] = [0, finest.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((finest[middle] as TimedBytes).endBytes <= byte) low = middle + 1;
    else high = middle;
  }
  const found = finest[low];
  return found === undefined || found.startBytes > byte ? undefined : { sinceMs: found.sinceMs, seenMs: found.seenMs };
}

/**
 * Up to which byte it is known that all had come by then; 0 if of none. A segment is written from its beginning to its end, so what stands
 * before a byte that had come had come too. A clock that was set back must not bring in what may be younger: the first such byte ends it.
 */
export function knownBy(finest: readonly TimedBytes[], timeMs: number): number {
  const younger = finest.findIndex(({ seenMs }) => seenMs > timeMs);
  return (younger < 0 ? finest : finest.slice(0, younger)).at(-1)?.endBytes ?? 0;
}

/** The end of what is known to have come by a time, in the order of the log; undefined if nothing is. `knownBytes` says it of a segment. */
export function endBy(log: readonly Extent[], knownBytes: ReadonlyMap<SegmentId, number>): Extent | undefined {
  let end: Extent | undefined;
  for (const { segment, endBytes } of log) {
    const known = Math.min(knownBytes.get(segment) ?? 0, endBytes);
    if (known > 0 || endBytes === 0) end = { segment, endBytes: known };
    if (known < endBytes) return end;
  }
  return end;
}
