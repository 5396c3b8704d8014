import { type Baseline, baselineOf } from '../../core/backup/history.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { HigherNumbers, RecordSearch } from '../../core/recovery/record-search.ts';
import { missingText, reachableSegments } from '../../core/wal/continuity.ts';
import { type Extent, makeWalOffset, type SegmentId } from '../../core/wal/wal-offset.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Caller } from '../../replay/progress.ts';
import { readStoredLog } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import { logOfHistory, offsetText, ownLog, type PointLog, type StoredHistory } from './stored-history.ts';

/** A place in a log; without a cut it is that log's own end. */
export type Located = { log: PointLog; cut?: Extent | undefined; higher?: HigherNumbers | undefined };

/** As far as no hole keeps a server from it. Fails: wal-gap. */
export function lastReachable(history: StoredHistory): Located {
  requireReachable(reachedLog(history), history.end.segment, `the end of timeline ${history.timeline}`);
  return { log: history.log, cut: history.end };
}

/** The end of a backup. Fails: wal-gap. */
export function whole(manifest: Manifest, timelines: StoredHistory['timelines']): Located {
  const log = ownLog(manifest);
  const reached = { log, baseline: baselineOf(timelines, manifest.timeline)?.segment };
  requireReachable(reached, manifest.segments.at(-1)?.segment ?? 0, `the end of backup ${manifest.label}`);
  return { log };
}

type Searching = { searching: RecordSearch; /** In this segment alone. */ only?: number };

/** The whole newest log, as far as it can be reached, or a single segment of it. What a baseline holds has happened elsewhere. */
export async function search(history: StoredHistory, { searching, only }: Searching, run: Caller): Promise<Extent | undefined> {
  const baseline = baselineOfLog(history)?.segment;
  const all = history.log.segments.map(({ segment }) => segment);
  const searched = new Set(reachableSegments(all, baseline).filter((segment) => segment > (baseline ?? 0)));
  const log = await logOfHistory(history, (segment) => searched.has(segment) && (only === undefined || segment === only));
  await readStoredLog(log, { see: (segment, record) => searching.see(segment, record), isDone: () => searching.isDecided() }, run);
  const found = searching.found();
  if (found !== undefined) requireSound(history, found, 'what is meant');
  return found;
}

/** Fails: point-not-found, where the baseline holds what was written later as well. */
export function requireSound(history: StoredHistory, point: Extent, what: string): void {
  const baseline = baselineOfLog(history);
  if (baseline?.soundFrom === undefined || makeWalOffset(point.segment, point.endBytes) >= baseline.soundFrom) return;
  throw notFound(history.store, `${what} ${beforeBaseline(baseline)}`);
}

/** The newest log may still be one of before the baseline. */
export function baselineOfLog({ timelines, log }: StoredHistory): Baseline | undefined {
  return baselineOf(timelines, log.timeline);
}

export function beforeBaseline({ segment, earlier, soundFrom }: Baseline): string {
  const where = earlier === undefined ? 'look in an earlier repository' : `look on timeline ${earlier}`;
  if (soundFrom !== undefined) {
    return `stands before ${soundFrom}, this timeline's first point: its baseline was read from a running server, and holds what was written up to there: ${where}`;
  }
  return `stands before this timeline's baseline, which holds the state of all up to segment ${segment}: ${where}`;
}

/** A log, and the segment with which it begins if that is a baseline. */
type ReachedLog = { log: PointLog; baseline: SegmentId | undefined };

export function reachedLog(history: StoredHistory): ReachedLog {
  return { log: history.log, baseline: baselineOfLog(history)?.segment };
}

/** Fails: wal-gap, naming what can be had. */
export function requireReachable(reached: ReachedLog, segment: number, what: string): void {
  const segments = reached.log.segments.map((each) => each.segment);
  const reachable = reachableSegments(segments, reached.baseline);
  if (segment <= (reachable.at(-1) ?? -1)) return;
  throw gap(reached, what);
}

export function gap({ log, baseline }: ReachedLog, what: string): RstowError {
  const segments = log.segments.map(({ segment }) => segment);
  const last = reachableSegments(segments, baseline).at(-1);
  const extent = promisedExtents(log.segments).find(({ segment }) => segment === last);
  const lacks = `the log lacks ${missingText(segments, baseline) ?? 'nothing'}`;
  return behindHole({ database: log.manifest.database, what, lacks, upTo: extent });
}

/** Of what the archive has stored behind something that it hasn't. */
export function archiveGap({ store, archive, end }: StoredHistory, what: string): RstowError {
  const { hole, fault } = archive;
  const from = hole === undefined ? '' : ` from offset ${offsetText(hole.from)} on`;
  const why = fault === undefined ? '' : ` (${fault.message})`;
  return behindHole({ database: store.database, what, lacks: `the archive lacks the log${from}${why}`, upTo: end });
}

type Hole = { database: string; what: string; lacks: string; upTo: Extent | undefined };

function behindHole({ database, what, lacks, upTo }: Hole): RstowError {
  const window = upTo === undefined ? 'no point can be had' : `points up to offset ${offsetText(upTo)} can be had`;
  return new RstowError('wal-gap', `${what} lies behind a hole: ${lacks}; ${window}`, { details: { database } });
}

export function notFound({ database }: Store, sentence: string): RstowError {
  return new RstowError('point-not-found', sentence, { details: { database } });
}
