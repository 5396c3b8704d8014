import { lastingWarnings } from '../../contract/hot-backup.ts';
import type { Warning } from '../../contract/result.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError, withClause } from '../../core/errors/rstow-error.ts';
import type { RecoveryTarget } from '../../core/recovery/target.ts';
import { parsePieceKey } from '../../core/repository/piece.ts';
import { type Extent, makeWalOffset, type WalOffsetText } from '../../core/wal/wal-offset.ts';
import type { RecoveryPoint } from '../../formats/repository/plans.ts';
import { replayStored } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { locate, type Located } from './locate-point.ts';
import { lastExtent, logUpTo, offsetText, openHistory, type StoredHistory, type WantedPoint } from './stored-history.ts';

export type FindPointInput = WantedPoint & { database: string; repository?: string | undefined };

export type FoundPoint = Omit<RecoveryPoint, 'format' | 'end'> & {
  repository: string;
  pointKey: string;
  /** The first offset that is not recovered. */
  end: WalOffsetText;
  /** All that was written before this time is recovered (Unix ms); absent for a point before the first backup's end. */
  sinceMs?: number | undefined;
  /** Nothing that was written after this time is recovered (Unix ms). */
  untilMs: number;
  /** What the backup itself warned of, if it still bears on it. */
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
    const store = await deps.openStore(input.database, input.repository);
    const history = await openHistory(store, input);
    const found = (await store.plans.point.find(run.runId)) ?? (await newPoint(history, input.target, run));
    const { key: pointKey, plan } = await store.plans.point.keep(run.runId, found);
    const { format: _format, end, ...point } = plan;
    const warnings = await warningsOf(store, point.label);
    return { ...point, repository: store.name, pointKey, end: offsetText(end), ...(await timesOf(history, end)), warnings };
  };

/** A hole in the log is not of them: no point lies behind one. */
async function warningsOf({ backups }: Store, label: string): Promise<Warning[]> {
  const { warnings = [] } = (await backups.readable(label)) ?? {};
  return lastingWarnings(warnings).filter(({ code }) => code !== 'wal-gap');
}

async function newPoint(history: StoredHistory, target: RecoveryTarget, run: RunPort): Promise<RecoveryPoint> {
  try {
    return await replayedPoint(history, await locate(history, target, run), run);
  } catch (error) {
    throw error instanceof RstowError && isObjectDamage(error.code) ? withNearest(history, error) : error;
  }
}

/** A damaged piece keeps from a person only what stands in its segment and behind. */
function withNearest({ newest }: StoredHistory, error: RstowError): RstowError {
  const damaged = parsePieceKey(String(error.details['key']))?.segment;
  if (damaged === undefined) return error;
  const before = promisedExtents(newest.segments).findLast(({ segment }) => segment < damaged);
  const nearest = before === undefined ? undefined : offsetText(before);
  return withClause(error, nearest === undefined ? 'no log stands before it' : `the log before it goes up to offset ${nearest}`, {
    nearest: nearest ?? null,
  });
}

async function replayedPoint(history: StoredHistory, { manifest, cut, higher }: Located, run: RunPort): Promise<RecoveryPoint> {
  const { label, timeline } = manifest;
  const end = lastExtent(manifest);
  if (cut === undefined || (cut.segment === end.segment && cut.endBytes === end.endBytes)) {
    const { records, machines, instances, stateDigest } = manifest;
    return { format: 1, label, timeline, end, higher, records, machines, instances, stateDigest };
  }
  const log = await logUpTo(history.store, manifest, cut);
  const { index, stateDigest, records } = await replayStored(log, run);
  const { machines, instances } = index.counts();
  return { format: 1, label, timeline, end: log.extents.at(-1) as Extent, higher, records, machines, instances, stateDigest };
}

/** Between which times the point lies, by the backups beside it. */
async function timesOf({ store, positions, newest }: StoredHistory, end: Extent): Promise<Pick<FoundPoint, 'sinceMs' | 'untilMs'>> {
  const offset = makeWalOffset(end.segment, end.endBytes);
  const afterAt = positions.findIndex((position) => position.end >= offset);
  // A clock that was set back must not hide that an earlier backup was written later.
  const upTo = afterAt < 0 ? [...positions, newest] : positions.slice(0, afterAt + 1);
  const untilMs = upTo.reduce((latest, { writtenAtMs }) => Math.max(latest, writtenAtMs), 0);
  for (const { label } of positions.filter((position) => position.end <= offset).toReversed()) {
    const manifest = await store.backups.readable(label);
    if (manifest !== undefined) return { sinceMs: manifest.createdAtMs, untilMs };
  }
  return { untilMs };
}
