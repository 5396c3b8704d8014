import type { PointExplanation } from '../../contract/point-in-time-recovery.ts';
import type { Warning } from '../../contract/result.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { describeRecord, type LogRecord, shortRecord } from '../../core/recovery/log-record.ts';
import type { StateDifference } from '../../core/recovery/state-difference.ts';
import type { Extent } from '../../core/wal/wal-offset.ts';
import { openDatabase } from '../../database/database.ts';
import type { RecoveryPoint } from '../../formats/repository/plans.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { differenceBetween, filesSource, storedSource } from '../../replay/state-difference.ts';
import { readStoredLog } from '../../replay/stored-log.ts';
import { FIRST_TIMELINE } from '../../formats/repository/history.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { logOfSegments, logUpTo, openHistory } from './stored-history.ts';

type ExplainPointInput = {
  database: string;
  repository: string;
  pointKey: string;
  /** Whether the data in place are what is replaced. */
  isInPlace: boolean;
};

/** So many records before the point are shown. */
const LAST_RECORDS = 5;

/**
 * What a person wants to know of a point before agreeing to it: the records around it, and what differs from the data in place, whose
 * server may be running. Data that can't be compared are a warning. Fails: missing-object, truncated-object, damaged-object,
 * repository-unavailable. Twice: asked again.
 */
export const explainPoint =
  (deps: ActivityDeps) =>
  async (input: ExplainPointInput, run: RunPort): Promise<PointExplanation & { warnings: Warning[] }> => {
    const store = await deps.openStore(input.database, input.repository);
    const point = await store.plans.point.read(input.pointKey);
    const around = await recordsAround(store, point, run);
    if (!input.isInPlace) return { ...around, difference: null, warnings: [] };
    try {
      return { ...around, difference: await differenceInPlace(deps, { store, point }, run), warnings: [] };
    } catch (error) {
      if (!(error instanceof RstowError) || !LOG_FAULTS.includes(error.code)) throw error;
      const message = `the data in place can't be compared with the point: ${error.message}`;
      return { ...around, difference: null, warnings: [{ code: error.code, message }] };
    }
  };

const LOG_FAULTS: readonly string[] = ['source-damaged', 'data-directory-replaced', 'timeline-diverged', 'wal-gap'];

/** The next record may stand in a later backup of the history only, or in the archive. */
async function recordsAround(
  store: Store,
  point: RecoveryPoint,
  run: RunPort,
): Promise<Pick<PointExplanation, 'lastRecords' | 'nextRecord'>> {
  const { log: newest, timelines } = await openHistory(store, { target: { latest: true }, timeline: point.timeline }, run);
  const { segment: last } = point.end;
  // A write that failed may leave an empty segment between two.
  const next = newest.segments.find(({ segment, ranges }) => segment > last && ranges.length > 0)?.segment;
  // A baseline's records are none of the history's.
  const baseline = baselineOf(timelines, newest.timeline)?.segment ?? 0;
  const log = await logOfSegments(store, newest, (segment) => segment > baseline && (segment === last || segment === next));
  const lastRecords: LogRecord[] = [];
  let nextRecord: LogRecord | null = null;
  await readStoredLog(
    log,
    {
      see: (segment, record) => {
        const described = shortRecord(describeRecord(segment, record));
        if (isBehind({ segment, endBytes: record.endBytes }, point.end)) nextRecord ??= described;
        else if (lastRecords.push(described) > LAST_RECORDS) lastRecords.shift();
      },
      isDone: () => nextRecord !== null,
    },
    run,
  );
  return { lastRecords, nextRecord };
}

function isBehind(one: Extent, other: Extent): boolean {
  return one.segment > other.segment || (one.segment === other.segment && one.endBytes > other.endBytes);
}

async function differenceInPlace(
  deps: ActivityDeps,
  { store, point }: { store: Store; point: RecoveryPoint },
  run: RunPort,
): Promise<StateDifference> {
  const { walDir } = openDatabase(deps, store.database);
  const files = (await listSegments(walDir)) ?? [];
  const timeline = (await readTimelineFile(walDir))?.timeline ?? FIRST_TIMELINE;
  const timelines = await store.timelines.all();
  const now = filesSource({ files, timeline, timelines }, run);
  const log = await logUpTo(store, { segments: point.segments ?? (await store.backups.read(point.label)).segments }, point.end);
  const { difference } = await differenceBetween(timelines, now, storedSource({ log, timeline: point.timeline }, run));
  return difference;
}
