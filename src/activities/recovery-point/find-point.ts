import { lastingWarnings } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { isFaultOfRepository, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError, withClause } from '../../core/errors/rstow-error.ts';
import { parsePieceKey } from '../../core/repository/piece.ts';
import { type Extent, makeWalOffset, type SegmentId, type WalOffsetText } from '../../core/wal/wal-offset.ts';
import type { RecoveryPoint } from '../../formats/repository/plans.ts';
import { replayStored } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { passedOverWarning } from '../restore/find-backup.ts';
import { namedKeys } from '../backup/piece-store.ts';
import { rollbackWarnings } from '../restore/plan-restore.ts';
import { locate } from './locate-point.ts';
import { lastReachable, type Located } from './reachable-log.ts';
import { lastExtent, logUpTo, offsetText, openHistory, type StoredHistory, type WantedPoint } from './stored-history.ts';

export type FindPointInput = WantedPoint & {
  database: string;
  repository?: string | undefined;
  /** Of the end of what is stored: the point before a hole rather than none. */
  isBestEffort?: boolean;
};

export type FoundPoint = Omit<RecoveryPoint, 'format' | 'end' | 'segments'> & {
  repository: string;
  pointKey: string;
  /** The first offset that is not recovered. */
  end: WalOffsetText;
  /** All that was written before this time is recovered (Unix ms); absent if nobody knows. */
  sinceMs?: number | undefined;
  /** Nothing that was written after this time is recovered (Unix ms). */
  untilMs: number;
  /** What the backup itself warned of, if it still bears on it, and what is taken for a time that is beyond all that is stored. */
  warnings: Warning[];
};

/**
 * Finds the point that a person means in a history that is stored, and replays the log up to it.
 * Fails: point-not-found, mark-not-found, backup-not-found, wal-gap, missing-object, truncated-object, damaged-object, repository-unavailable.
 * Twice: the point that was found first.
 */
export const findPoint =
  (deps: ActivityDeps) =>
  async (input: FindPointInput, run: RunPort): Promise<FoundPoint> => {
    const names = input.repository === undefined ? deps.catalogueOf(input.database).names : [input.repository];
    const passedOver: { name: string; error: RstowError }[] = [];
    for (const name of names) {
      try {
        const found = await findIn(await deps.openStore(input.database, name), input, run);
        const faults = passedOver.map((other) => passedOverWarning(other.name, name, other.error));
        return { ...found, warnings: [...faults, ...found.warnings] };
      } catch (error) {
        if (!(error instanceof RstowError)) throw error;
        // What a copy doesn't have either is no better reason than why the nearer one could not be read.
        if (passedOver.length === 0 && !isFaultOfRepository(error.code)) throw error;
        passedOver.push({ name, error });
      }
    }
    throw (passedOver[0] as (typeof passedOver)[number]).error;
  };

async function findIn(store: Store, input: FindPointInput, run: RunPort): Promise<FoundPoint> {
  const history = await openHistory(store, input, run);
  const found = (await store.plans.point.find(run.runId)) ?? (await newPoint(history, input, run));
  const { key: pointKey, plan } = await store.plans.point.keep(run.runId, found);
  const { format: _format, segments: _log, end, ...point } = plan;
  const aged = input.target.latest === true ? await rollbackWarnings(store) : [];
  const beyond = [...beyondWarnings(history, input, end), ...faultWarnings(history, end), ...passedOverWarnings(store)];
  const warnings = [...aged, ...(await warningsOf(store, point.label)), ...beyond];
  return { ...point, repository: store.name, pointKey, end: offsetText(end), ...(await timesOf(history, end)), warnings };
}

/** A hole in the log is not of them: no point lies behind one. */
async function warningsOf({ backups }: Store, label: string): Promise<Warning[]> {
  const { warnings = [] } = (await backups.readable(label)) ?? {};
  return lastingWarnings(warnings).filter(({ code }) => code !== 'wal-gap');
}

/** A time that nothing is stored of must not pass for one that is: the database may have had more by then. */
function beyondWarnings({ log, times, end, archive }: StoredHistory, { target, isBestEffort }: FindPointInput, found: Extent): Warning[] {
  const isEnd = found.segment === end.segment && found.endBytes === end.endBytes;
  if (isBestEffort === true && archive.hole !== undefined && isEnd) {
    const message = `what the archive has stored behind offset ${offsetText(archive.hole.from)} is out of reach: the log lacks what stood there`;
    return [{ code: 'wal-gap', message }];
  }
  const storedMs = Math.max(times.lastSeenMs ?? 0, log.manifest.writtenAtMs);
  if (target.time === undefined || !isEnd || Date.parse(target.time) <= storedMs) return [];
  const what = times.lastSeenMs === storedMs ? 'the archive last saw something new' : 'the last backup was made';
  const stored = `${what} at ${new Date(storedMs).toISOString()}`;
  const message = `${target.time} is later than anything that is stored: ${stored}; the recovery ends there, at offset ${offsetText(found)}`;
  return [{ code: 'time-beyond-stored', message }];
}

/** The end of the log must not pass for the end of what was written. */
function faultWarnings({ end, archive }: StoredHistory, found: Extent): Warning[] {
  const { fault, hole } = archive;
  if (fault === undefined || hole !== undefined || found.segment !== end.segment || found.endBytes !== end.endBytes) return [];
  return [
    {
      code: fault.code,
      message: `the archive's log ends at offset ${offsetText(end)}, before an object that can't be used: ${fault.message}`,
    },
  ];
}

function passedOverWarnings({ trust: { passedOver } }: Store): Warning[] {
  if (passedOver.size === 0) return [];
  const message = `what no listed key has signed was passed over: ${namedKeys([...passedOver])}`;
  return [{ code: 'untrusted-object', message }];
}

async function newPoint(history: StoredHistory, { target, isBestEffort }: FindPointInput, run: RunPort): Promise<RecoveryPoint> {
  try {
    const place = isBestEffort === true ? lastReachable(history) : await locate(history, target, run);
    return await replayedPoint(history, place, run);
  } catch (error) {
    throw error instanceof RstowError && isObjectDamage(error.code) ? withNearest(history, error) : error;
  }
}

/** A damaged piece keeps from a person only what stands in its segment and behind. */
function withNearest({ log }: StoredHistory, error: RstowError): RstowError {
  const damaged = parsePieceKey(String(error.details['key']))?.segment;
  if (damaged === undefined) return error;
  const before = promisedExtents(log.segments).findLast(({ segment }) => segment < damaged);
  const nearest = before === undefined ? undefined : offsetText(before);
  return withClause(error, nearest === undefined ? 'no log stands before it' : `the log before it goes up to offset ${nearest}`, {
    nearest: nearest ?? null,
  });
}

async function replayedPoint(history: StoredHistory, { log, cut, higher }: Located, run: RunPort): Promise<RecoveryPoint> {
  const { manifest, timeline, isArchived } = log;
  const { label } = manifest;
  const end = lastExtent(log);
  if (!isArchived && (cut === undefined || (cut.segment === end.segment && cut.endBytes === end.endBytes))) {
    const { records, machines, instances, stateDigest } = manifest;
    return { format: 1, label, timeline, end, higher, records, machines, instances, stateDigest };
  }
  const upTo = await logUpTo(history.store, log, cut ?? end);
  const { index, stateDigest, records } = await replayStored(upTo, run);
  const { machines, instances } = index.counts();
  const last = upTo.extents.at(-1) as Extent;
  const segments = isArchived ? log.segments.filter(({ segment }) => segment <= last.segment) : undefined;
  return { format: 1, label, timeline, segments, end: last, higher, records, machines, instances, stateDigest };
}

type PointTimes = { sinceMs?: number | undefined; untilMs?: number | undefined };

/** Between which times the point lies, by the backups beside it and by what the archive has seen: the narrower of both. */
async function timesOf(history: StoredHistory, end: Extent): Promise<Pick<FoundPoint, 'sinceMs' | 'untilMs'>> {
  const known = [await timesByBackups(history, end), await timesByArchive(history, end)];
  const since = known.map(({ sinceMs }) => sinceMs).filter((ms) => ms !== undefined);
  const until = known.map(({ untilMs }) => untilMs).filter((ms) => ms !== undefined);
  return { sinceMs: since.length === 0 ? undefined : Math.max(...since), untilMs: until.length === 0 ? Date.now() : Math.min(...until) };
}

async function timesByBackups({ store, positions, newest }: StoredHistory, end: Extent): Promise<PointTimes> {
  const offset = makeWalOffset(end.segment, end.endBytes);
  const afterAt = positions.findIndex((position) => position.end >= offset);
  const last = lastExtent(newest);
  const isWithin = offset <= makeWalOffset(last.segment, last.endBytes);
  // A clock that was set back must not hide that an earlier backup was written later.
  const upTo = afterAt < 0 ? [...positions, newest] : positions.slice(0, afterAt + 1);
  const untilMs = isWithin ? upTo.reduce((latest, { writtenAtMs }) => Math.max(latest, writtenAtMs), 0) : undefined;
  for (const { label } of positions.filter((position) => position.end <= offset).toReversed()) {
    const manifest = await store.backups.readable(label);
    if (manifest !== undefined) return { sinceMs: manifest.createdAtMs, untilMs };
  }
  return { untilMs };
}

/** When the last record of the point came, and when the first one behind it did. */
async function timesByArchive({ times, log, end: stored }: StoredHistory, end: Extent): Promise<PointTimes> {
  const own = await times.of(end.segment);
  const last = own.find(({ startBytes, endBytes }) => startBytes < end.endBytes && endBytes >= end.endBytes);
  const untilMs = last?.seenMs;
  const isEnd = end.segment === stored.segment && end.endBytes === stored.endBytes;
  // What had come when a look began was stored before the next one.
  const lookedMs = own.reduce((latest, { sinceMs }) => Math.max(latest, sinceMs), 0);
  if (isEnd && last?.endBytes === end.endBytes) return { sinceMs: lookedMs === 0 ? undefined : lookedMs, untilMs };
  const ends = new Map(promisedExtents(log.segments).map(({ segment, endBytes }) => [segment, endBytes]));
  const isOver = ends.get(end.segment) === end.endBytes;
  const behind = isOver ? (await times.of((end.segment + 1) as SegmentId)).at(0) : undefined;
  const next = isOver ? behind : own.find(({ startBytes, endBytes }) => startBytes <= end.endBytes && endBytes > end.endBytes);
  const isNext = next !== undefined && (!isOver || next.startBytes === 0) && next.sinceMs > 0;
  return { sinceMs: isNext ? next.sinceMs : undefined, untilMs };
}
