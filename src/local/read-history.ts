import { findInstance, type FoundInstance, type WantedInstance } from '../activities/instance/find-instance.ts';
import { locate, logUpTo, openHistory } from '../activities/recovery-point/stored-history.ts';
import { sharedLog } from '../core/backup/history.ts';
import { promisedExtents } from '../core/backup/segment-plan.ts';
import { createRecordFilter, type RecordQuery } from '../core/recovery/record-filter.ts';
import type { LogRecord } from '../core/recovery/log-record.ts';
import type { StateDifference } from '../core/recovery/state-difference.ts';
import type { RecoveryTarget } from '../core/recovery/target.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type Extent, makeWalOffset } from '../core/wal/wal-offset.ts';
import { openDatabase } from '../database/database.ts';
import { readTimelineFile } from '../io/data-directory/rstow-folder.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import type { Caller } from '../replay/progress.ts';
import { differenceOf, type LogState, stateOfFiles, stateOfStored } from '../replay/state-difference.ts';
import { readStoredLog } from '../replay/stored-log.ts';
import type { Store } from '../store/store.ts';
import { FIRST_TIMELINE } from '../store/timelines.ts';
import { withEndingSignal } from '../worker/agent-program.ts';
import { localDeps } from './local-deps.ts';

/** Reading what a repository holds of a database, by this process, with the config of this host's agent. Changes nothing. */
export type LocalReading = { configFile: string | undefined; database: string; repository?: string | undefined };

export type LogReading = LocalReading & {
  timeline?: string | undefined;
  query: RecordQuery;
  /** So many records, and no more. */
  limit?: number | undefined;
  /** Takes what was found so far; waited for. */
  print: (records: readonly LogRecord[]) => Promise<void>;
};

/**
 * Prints the wanted records of a stored history, in the order of the log; memory stays flat however long that is.
 * Fails: as the store does; backup-not-found, point-not-found, missing-object, truncated-object, damaged-object, cancelled.
 */
export async function readLog({
  configFile,
  database,
  repository,
  timeline,
  query,
  limit = Number.POSITIVE_INFINITY,
  print,
}: LogReading): Promise<void> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  const { newest } = await openHistory(store, { target: { latest: true }, timeline });
  const log = await logUpTo(store, newest, promisedExtents(newest.segments).at(-1) as Extent);
  const filter = createRecordFilter(query);
  let found: LogRecord[] = [];
  let count = 0;
  let isBehind = false;
  await withCaller((caller) =>
    readStoredLog(
      log,
      {
        see: (segment, record) => {
          const described = filter(segment, record);
          if (described !== undefined) {
            found.push(described);
            count += 1;
          }
          isBehind = query.to !== undefined && makeWalOffset(segment, record.startBytes) >= query.to;
        },
        isDone: () => isBehind || count >= limit,
        afterChunk: async () => {
          if (found.length > 0) await print(found);
          found = [];
        },
      },
      caller,
    ),
  );
  if (found.length > 0) await print(found);
}

export type InstanceReading = LocalReading & WantedInstance;

export type ExtractedInstance = FoundInstance;

/** One instance as it was. Fails: as `readLog`; instance-not-found, mark-not-found. */
export async function extractInstance({ configFile, database, repository, ...wanted }: InstanceReading): Promise<ExtractedInstance> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  return withCaller((caller) => findInstance(store, wanted, caller));
}

/** A point of a history, or the data in place on this host. */
export type DiffPoint = { kind: 'now' } | { kind: 'point'; target: RecoveryTarget } | { kind: 'backup'; label: string };

export type DiffReading = LocalReading & { timeline?: string | undefined; before: DiffPoint; after: DiffPoint };

/** What has to be done to the first state to get the second. Fails: as `readLog`; source-damaged (the data in place). */
export async function diffPoints({ configFile, database, repository, timeline, before, after }: DiffReading): Promise<StateDifference> {
  const deps = await localDeps(configFile);
  const store = await deps.openStore(database, repository);
  return withCaller(async (caller) => {
    const stateOf = (point: DiffPoint): Promise<PlacedState> =>
      point.kind === 'now' ? stateInPlace(openDatabase(deps, database).walDir, caller) : stateAt(store, { point, timeline }, caller);
    const one = await stateOf(before);
    const other = await stateOf(after);
    const logOf = ({ timeline: own, state }: PlacedState): { timeline: string; extents: readonly Extent[] } => ({
      timeline: own,
      extents: state.extents,
    });
    return differenceOf(one.state, other.state, sharedLog(await store.timelines.all(), logOf(one), logOf(other)));
  });
}

type PlacedState = { timeline: string; state: LogState };

async function stateInPlace(walDir: string, caller: Caller): Promise<PlacedState> {
  const files = await listSegments(walDir);
  if (files === undefined) throw new RstowError('data-directory-missing', `there is no ${walDir} on this host`);
  return { timeline: (await readTimelineFile(walDir))?.timeline ?? FIRST_TIMELINE, state: await stateOfFiles(files, caller) };
}

type StoredPoint = { point: Exclude<DiffPoint, { kind: 'now' }>; timeline: string | undefined };

async function stateAt(store: Store, { point, timeline }: StoredPoint, caller: Caller): Promise<PlacedState> {
  const { manifest, cut } =
    point.kind === 'backup'
      ? { manifest: await store.backups.find(point.label), cut: undefined }
      : await locate(await openHistory(store, { target: point.target, timeline }), point.target, caller);
  const log = await logUpTo(store, manifest, cut ?? (promisedExtents(manifest.segments).at(-1) as Extent));
  return { timeline: manifest.timeline, state: await stateOfStored(log, caller) };
}

/** Until it is done, or SIGINT or SIGTERM ends it. Fails: cancelled. */
async function withCaller<T>(work: (caller: Caller) => Promise<T>): Promise<T> {
  return withEndingSignal(async (told) => {
    const interrupted = new AbortController();
    told.addEventListener('abort', () => interrupted.abort(new RstowError('cancelled', 'the command was interrupted')), { once: true });
    return work({ signal: interrupted.signal, report: () => undefined });
  });
}
