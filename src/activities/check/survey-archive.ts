import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { lackingRanges, wholeUntil } from '../../core/archive/tidying.ts';
import { baselineOf, filesOfTimeline } from '../../core/backup/history.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type ArchiveFacts, holesOf } from '../../core/protection/archive-state.ts';
import { segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { FIRST_TIMELINE } from '../../formats/repository/history.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import { archivePinFolder, guardPinFolder } from '../../io/data-directory/pins.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { type ArchivedLog, readArchivedLog } from '../archive/archived-log.ts';
import { checkContinues, storedHistory } from '../backup/source-continuity.ts';
import type { RunPort } from '../run-port.ts';

type Asked = { database: string; repository?: string | undefined };

/**
 * Which of the log is stored, how long that took, which is still to be stored, and which is gone. Fails: unknown-database,
 * unknown-repository, repository-unavailable. Twice: listed anew.
 */
export const surveyArchive =
  (deps: ActivityDeps) =>
  async ({ database: name, repository }: Asked, run: Pick<RunPort, 'runId' | 'signal'>): Promise<ArchiveFacts> => {
    const database = openDatabase(deps, name);
    const store = await deps.openStore(name, repository);
    try {
      return { ...(await survey(store, database, run)), ...(await trustOf(store)) };
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'timeline-diverged') throw error;
      const fault = { code: error.code, sentence: error.message };
      return { isContinuous: false, stored: 0, unsavedSegments: 0, unsavedBytes: 0, lagMs: null, fault, ...(await trustOf(store)) };
    }
  };

type Trust = Pick<ArchiveFacts, 'requiresSignatures' | 'rolledBack'>;

async function trustOf({ backups, trust }: Store): Promise<Trust> {
  return { requiresSignatures: trust.requiresSignatures, rolledBack: (await backups.rolledBack())?.sentence };
}

type Surveyed = Omit<ArchiveFacts, keyof Trust>;

async function survey(store: Store, database: Database, { runId, signal }: Pick<RunPort, 'runId' | 'signal'>): Promise<Surveyed> {
  const timeline = (await readTimelineFile(database.walDir))?.timeline ?? FIRST_TIMELINE;
  const timelines = await store.timelines.all();
  const { enabled: isContinuous, intervalMs } = database.settings.archive;
  const files = filesOfTimeline(await heldFiles(database, timeline), timelines, timeline);
  // Until the first backup the repository knows no history.
  const isKnown = timelines.size > 0;
  const patienceMs = isContinuous ? LOOKS_MAX * intervalMs : 0;
  if (isKnown) await checkInPlace(store, { timeline, walDir: database.walDir, runId });
  const { log, lacking, tookMs } = isKnown ? await catchUp(store, { timeline, files, patienceMs, signal }) : nothingOf(files);
  const newest = await store.backups.newestOfTimeline({ timeline, exceptRunId: runId });
  const backedUp = newest?.segments ?? [];
  const present = files.map(({ segment }) => segment);
  const gone = (log?.segments() ?? []).filter((segment) => !present.includes(segment) && isWhole(log, segment));
  const empty = backedUp.filter(({ ranges }) => ranges.length === 0).map(({ segment }) => segment);
  return {
    isContinuous,
    stored: files.length - lacking.length + gone.length,
    unsavedSegments: lacking.length,
    unsavedBytes: lacking.reduce((sum, bytes) => sum + bytes, 0),
    lagMs: lacking.length === 0 ? tookMs : ageOf(log, newest),
    ...holesOf({
      known: [...present, ...gone, ...empty],
      backedUp: backedUp.map(({ segment }) => segment),
      baseline: baselineOf(timelines, timeline)?.segment,
    }),
  };
}

/** Another log in wal/ may be as long as the stored one, or shorter. Damage is for others to find. Fails: timeline-diverged. */
async function checkInPlace(store: Store, { timeline, walDir, runId }: { timeline: string; walDir: string; runId: string }): Promise<void> {
  const files = (await listSegments(walDir)) ?? [];
  if (files.length === 0) return;
  try {
    await checkContinues(
      { store, timeline, runId },
      {
        files: files.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes })),
        pathOf: (segment) => join(walDir, segmentFileName(segment)),
        ...(await storedHistory(store, { timeline, walDir })),
      },
    );
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'source-damaged') throw error;
  }
}

/** In wal/, and those that rstow's own links still hold. */
async function heldFiles({ walDir, dataDir }: Database, timeline: string): Promise<SegmentFile[]> {
  const folders = [guardPinFolder(dataDir, timeline), archivePinFolder(dataDir, timeline), walDir];
  const listed = await Promise.all(folders.map(async (folder) => (await listSegments(folder)) ?? []));
  return [...new Map(listed.flat().map((file) => [file.segment, file])).values()];
}

/** An archive that works has stored within so many of its looks what stood in wal/. */
const LOOKS_MAX = 10;
const LOOK_MS = 500;

type CatchUp = { timeline: string; files: readonly SegmentFile[]; /** 0 if nobody is at it. */ patienceMs: number; signal: AbortSignal };

/** `lacking`: the bytes of each segment that are not stored. */
type CaughtUp = { log: ArchivedLog | undefined; lacking: number[]; tookMs: number };

function nothingOf(files: readonly SegmentFile[]): CaughtUp {
  return { log: undefined, lacking: files.map(({ sizeBytes }) => sizeBytes).filter((bytes) => bytes > 0), tookMs: 0 };
}

/** Waits until the archive has what stood in the files when they were listed. */
async function catchUp(store: Store, { timeline, files, patienceMs, signal }: CatchUp): Promise<CaughtUp> {
  const beganAtMs = performance.now();
  for (;;) {
    const log = await readArchivedLog(store, timeline);
    const lacking = files.map((file) => lackingBytes(log, file)).filter((bytes) => bytes > 0);
    const tookMs = Math.round(performance.now() - beganAtMs);
    if (lacking.length === 0 || tookMs >= patienceMs) return { log, lacking, tookMs };
    await delay(LOOK_MS, undefined, { signal });
  }
}

function lackingBytes(log: ArchivedLog, { segment, sizeBytes }: SegmentFile): number {
  return lackingRanges(log.piecesOf(segment), sizeBytes).reduce((sum, { startBytes, endBytes }) => sum + endBytes - startBytes, 0);
}

function isWhole(log: ArchivedLog | undefined, segment: SegmentId): boolean {
  const pieces = log?.piecesOf(segment) ?? [];
  return wholeUntil(pieces) === Math.max(0, ...pieces.map(({ endBytes }) => endBytes));
}

/** Whatever isn't stored was written after the newest of what is. */
function ageOf(log: ArchivedLog | undefined, newest: Manifest | undefined): number | null {
  const seenMs = (log?.segments() ?? []).flatMap((segment) => log?.streamOf(segment).map((piece) => piece.seenMs) ?? []);
  const storedAtMs = seenMs.reduce((latest, ms) => Math.max(latest, ms), newest?.createdAtMs ?? 0);
  return storedAtMs === 0 ? null : Math.max(0, Date.now() - storedAtMs);
}
