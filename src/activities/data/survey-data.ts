import { stat } from 'node:fs/promises';
import type { DataSummary } from '../../contract/data-summary.ts';
import { isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { createReplayIndex } from '../../core/state/replay-index.ts';
import type { Extent, SegmentId } from '../../core/wal/wal-offset.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkpointFile, fittingState, withSoundState } from '../backup/replay-log.ts';
import { recordsOf } from '../backup/write-manifest.ts';
import { damageBehind, scanSegment } from '../backup/segment-scan.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { changesOf, countsAfter, indexAfter } from '../../replay/kept-state.ts';
import { readRecords, type ReplaySource } from '../../replay/replay-segments.ts';
import type { TimelineFile } from '../../formats/data-directory.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { promisedExtents } from '../../core/backup/segment-plan.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { listHistory } from '../recovery-point/stored-history.ts';
import { checkContinues, isHistoryOf, storedHistory } from '../backup/source-continuity.ts';
import { requireOneAnswer } from '../../store/database-repositories.ts';
import { FIRST_TIMELINE } from '../../formats/repository/history.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { Store } from '../../store/store.ts';

/**
 * What lies in this host's data directory, whether its server runs or not, and what of it neither a backup nor the archive holds; null
 * where there is nothing. Only what came after the newest backup is read, and replayed.
 * Fails: unknown-database, repository-unavailable. Twice: asked again.
 */
export const surveyData =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<DataSummary | null> => {
    const opened = openDatabase(deps, database);
    const files = (await listSegments(opened.walDir)) ?? [];
    if (files.every(({ sizeBytes }) => sizeBytes === 0)) return null;
    const held = await heldLog(deps, { database: opened, files, run });
    const own = files.filter(({ segment }) => segment >= (held.first ?? 0));
    const log = await readUnsaved(own, held, run);
    const { timeline, label } = held;
    const fault = held.fault ?? log.fault;
    return {
      dataDir: opened.dataDir,
      timeline,
      records: held.records + log.archivedRecords + log.records,
      instances: fault === undefined ? await countInstances(deps, { database, timeline, log, run }) : null,
      lastWriteAtMs: await lastWriteAtMs(files),
      backup: label,
      unsavedRecords: log.records,
      unsavedBytes: log.bytes,
      fault,
    };
  };

type UnsavedLog = {
  files: readonly SegmentFile[];
  /** Where each segment's last whole record ends. */ ends: Map<SegmentId, number>;
  /** Those that no backup holds, and the archive does. */ archivedRecords: number;
  records: number;
  bytes: number;
  fault?: DataSummary['fault'];
};

/** Counts the whole records behind what is held. A tail that is no record is none; damage before other records is a fault. */
async function readUnsaved(files: readonly SegmentFile[], { ends: held, archivedEnds = held }: HeldLog, run: RunPort): Promise<UnsavedLog> {
  const log: UnsavedLog = { files, ends: new Map(), archivedRecords: 0, records: 0, bytes: 0 };
  for (const file of files) {
    const heldBytes = Math.min(held.get(file.segment) ?? 0, file.sizeBytes);
    const savedBytes = Math.max(heldBytes, Math.min(archivedEnds.get(file.segment) ?? 0, file.sizeBytes));
    run.report({ counting: file.fileName });
    const archived = await readBehind({ ...file, sizeBytes: savedBytes }, heldBytes, run.signal);
    log.archivedRecords += archived.records;
    const { end, records, damage } =
      archived.damage === undefined ? await readBehind(file, savedBytes, run.signal) : { ...archived, records: 0 };
    log.records += records;
    log.bytes += Math.max(0, end - savedBytes);
    log.ends.set(file.segment, end);
    if (damage !== undefined) log.fault ??= { code: damage.code, sentence: damage.message };
  }
  return log;
}

type Behind = { end: number; records: number; damage: RstowError | undefined };

/** Nothing can be counted where the disk doesn't read any more. */
async function readBehind(file: SegmentFile, startBytes: number, signal: AbortSignal): Promise<Behind> {
  const { path, segment, sizeBytes } = file;
  try {
    const { end, records } = await scanSegment({ path, startBytes, sizeBytes, signal });
    return { end: end.positionBytes, records, damage: await damageBehind(path, segment, { end, sizeBytes, signal }) };
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'source-damaged') throw error;
    return { end: startBytes, records: 0, damage: error };
  }
}

type Counted = { database: string; timeline: string | null; log: UnsavedLog; run: RunPort };

/** Null where a server would not start on it. */
async function countInstances(deps: ActivityDeps, { database, timeline, log, run }: Counted): Promise<number | null> {
  const pathOf = (segment: SegmentId): string => log.files.find((file) => file.segment === segment)?.path ?? '';
  const extents = log.files.map(({ segment }) => ({ segment, endBytes: log.ends.get(segment) ?? 0 }));
  const source: ReplaySource = { extents, pathOf, damageCode: 'source-damaged' };
  try {
    if (timeline === null) return await countFromBeginning(source, run);
    const file = await checkpointFile(deps, database, timeline);
    return await withSoundState(file, async () => {
      const state = await fittingState(file, extents);
      const index = indexAfter(state);
      await readRecords({ source, from: state.extents, run }, () => index);
      return countsAfter(state, await changesOf(state, index)).instances;
    });
  } catch (error) {
    if (error instanceof RstowError && (error.code === 'source-damaged' || isObjectDamage(error.code))) return null;
    throw error;
  }
}

async function countFromBeginning(source: ReplaySource, run: RunPort): Promise<number> {
  const index = createReplayIndex();
  await readRecords({ source, from: [], run }, () => index);
  return index.counts().instances;
}

async function lastWriteAtMs(files: readonly SegmentFile[]): Promise<number> {
  const times = await Promise.all(files.map(async ({ path }) => (await stat(path)).mtimeMs));
  return Math.round(Math.max(...times));
}

/** How much of a directory's log the backups of its history hold, in all repositories together. */
type HeldLog = {
  timeline: string | null;
  /** The baseline with which that timeline's log begins: what stands before it is no part of it. */ first?: SegmentId | undefined;
  /** The newest of those backups. */ label: string | null;
  ends: ReadonlyMap<SegmentId, number>;
  /** How far the archive goes, if that is farther. */ archivedEnds?: ReadonlyMap<SegmentId, number> | undefined;
  records: number;
  /** Why none of them can be held against the directory. */ fault?: DataSummary['fault'];
};

type Asked = { database: Database; files: readonly SegmentFile[]; run: Pick<RunPort, 'runId' | 'signal'> };

/** Fails: repository-unavailable, where none answers. */
async function heldLog(deps: ActivityDeps, asked: Asked): Promise<HeldLog> {
  const { name, walDir } = asked.database;
  const file = await timelineFile(walDir, name);
  if (file instanceof RstowError) return nothingHeld(null, file);
  const found = await deps.catalogueOf(name).each((store) => heldIn(store, { ...asked, file }));
  const [failure] = found.failures;
  if (found.answers.length === 0 && failure !== undefined && isObjectDamage(failure.error.code))
    return nothingHeld(file.timeline, failure.error);
  requireOneAnswer(found);
  const answers = found.answers.map((answer) => answer.found);
  const held = answers.filter(({ fault }) => fault === undefined);
  const most = held.reduce<HeldLog | undefined>(
    (best, next) => (best !== undefined && best.records >= next.records ? best : next),
    undefined,
  );
  return most ?? (answers[0] as HeldLog);
}

/** A log that nobody has marked yet is of the first timeline. */
async function timelineFile(walDir: string, database: string): Promise<TimelineFile | RstowError> {
  try {
    return (await readTimelineFile(walDir)) ?? { format: 1, database, timeline: FIRST_TIMELINE, generation: 1 };
  } catch (error) {
    if (error instanceof RstowError && error.code === 'timeline-diverged') return error;
    throw error;
  }
}

/** What is wrong with the directory's log itself: whoever wants to replace it has to hear of it, and go on. */
const LOG_FAULTS = ['timeline-diverged', 'source-damaged'];

async function heldIn(store: Store, asked: Asked & { file: TimelineFile }): Promise<HeldLog> {
  const { files, file, run } = asked;
  const { database } = store;
  const { timeline } = file;
  const timelines = await store.timelines.all();
  const known = timelines.get(timeline);
  if (known === undefined || !isHistoryOf(file, { database, known })) {
    const sentence = `no repository knows timeline ${timeline} of database "${file.database}" as ${database}'s`;
    return nothingHeld(timeline, new RstowError('timeline-diverged', sentence));
  }
  try {
    const segments = files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
    const pathOf = (segment: SegmentId): string => files.find((candidate) => candidate.segment === segment)?.path ?? '';
    const target = { store, timeline, runId: run.runId };
    const stored = await storedHistory(store, { timeline, walDir: asked.database.walDir });
    await checkContinues(target, { files: segments, pathOf, ...stored });
  } catch (error) {
    if (!(error instanceof RstowError) || !LOG_FAULTS.includes(error.code)) throw error;
    return nothingHeld(timeline, error);
  }
  const first = baselineOf(timelines, timeline)?.segment;
  const own = await store.backups.newestOfTimeline({ timeline, exceptRunId: run.runId });
  const manifest = own ?? (await backupOfParent(store, known.parent?.label));
  if (manifest === undefined) return { timeline, first, label: null, ends: new Map(), records: 0 };
  const { label, records } = manifest;
  // Of the backup that the history was begun from, it has no more than up to the fork, which may lie within it.
  const extents = own === undefined && known.parent !== null ? known.parent.extents : promisedExtents(manifest.segments);
  const ends = endsOf(extents);
  const listed = await listHistory(store, { target: { latest: true }, timeline });
  const archivedEnds = listed.isArchived ? endsOf(listed.extents) : undefined;
  const baseline = own === undefined ? files.find(({ segment }) => segment === known.baseline) : undefined;
  if (baseline === undefined) return { timeline, first, label, ends, archivedEnds, records };
  // That backup has what the baseline stands for.
  const replaced = manifest.segments.filter(({ segment }) => segment <= baseline.segment);
  const made = await readBehind(baseline, 0, run.signal);
  ends.set(baseline.segment, baseline.sizeBytes);
  return { timeline, first, label, ends, archivedEnds, records: records - recordsOf(replaced) + made.records };
}

/** None if the backup that has rescued the log died before it was one. Fails: damaged-object, format-unsupported. */
async function backupOfParent({ backups }: Store, label: string | undefined): Promise<Manifest | undefined> {
  const state = label === undefined ? undefined : await backups.state(label);
  if (state?.kind === 'unreadable') throw state.error;
  return state?.kind === 'read' ? state.manifest : undefined;
}

function endsOf(extents: readonly Extent[]): Map<SegmentId, number> {
  return new Map(extents.map(({ segment, endBytes }) => [segment, endBytes]));
}

function nothingHeld(timeline: string | null, { code, message }: RstowError): HeldLog {
  return { timeline, label: null, ends: new Map(), records: 0, fault: { code, sentence: message } };
}
