import { finestTimes, knownBy, type TimedBytes, timedBytes } from '../../core/recovery/log-times.ts';
import { isUnreadable } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { TimedRange } from '../../core/repository/stream-piece.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import type { Store } from '../../store/store.ts';

/** When the records of a history came, as far as the continuous archive has seen them. */
export type LogTimes = {
  /** The bytes of a segment, in their order; those that nothing is known of are left out. */
  of(segment: SegmentId): Promise<readonly TimedBytes[]>;
  /** Up to which byte of each segment it is known that all had come by then (Unix ms). */
  knownBy(timeMs: number): Promise<ReadonlyMap<SegmentId, number>>;
  /** When the archive has last seen something new; undefined if it never has. */
  readonly lastSeenMs: number | undefined;
  /** Whether something behind there may have come before that time. */
  isAnyBehind(place: Extent, timeMs: number): boolean;
};

/** `stream` and `times` as listed. What they say in their names is not read. */
export function logTimes({ stream }: Pick<Store, 'stream'>, of: { stream: readonly TimedRange[]; times: readonly TimedRange[] }): LogTimes {
  const all = [...of.stream, ...of.times];
  const bySegment = Map.groupBy(all, ({ segment }) => segment);
  const marked = new Set(of.times);
  const finest = new Map<SegmentId, Promise<readonly TimedBytes[]>>();
  const timesOf = (segment: SegmentId): Promise<readonly TimedBytes[]> => {
    const known = finest.get(segment) ?? readFinest(stream, bySegment.get(segment) ?? [], marked);
    finest.set(segment, known);
    return known;
  };
  return {
    of: timesOf,
    knownBy: async (timeMs) => {
      const known = new Map<SegmentId, number>();
      for (const [segment, ranges] of bySegment) {
        const isDecided = ranges.every(({ sinceMs, seenMs }) => seenMs <= timeMs || sinceMs >= timeMs);
        known.set(segment, knownBy(isDecided ? finestTimes(ranges) : await timesOf(segment), timeMs));
      }
      return known;
    },
    lastSeenMs: all.length === 0 ? undefined : all.reduce((last, { seenMs }) => Math.max(last, seenMs), 0),
    isAnyBehind: (place, timeMs) =>
      all.some(
        ({ segment, endBytes, sinceMs }) =>
          sinceMs < timeMs && (segment > place.segment || (segment === place.segment && endBytes > place.endBytes)),
      ),
  };
}

async function readFinest(stream: Store['stream'], ranges: readonly TimedRange[], marked: ReadonlySet<TimedRange>): Promise<TimedBytes[]> {
  const known: TimedBytes[] = [...ranges];
  for (const range of ranges.filter((each) => marked.has(each))) known.push(...(await readMarks(stream, range)));
  return finestTimes(known);
}

/** Without them there is still the window in the range's name. */
async function readMarks(stream: Store['stream'], range: TimedRange): Promise<TimedBytes[]> {
  try {
    return timedBytes(range, await stream.readTimes(range));
  } catch (error) {
    if (error instanceof RstowError && isUnreadable(error.code)) return [];
    throw error;
  }
}
