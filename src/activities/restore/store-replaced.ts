import { join } from 'node:path';
import type { Fence } from '../../formats/repository/plans.ts';
import { filesOfTimeline } from '../../core/backup/history.ts';
import { piecesBySegment, planCover } from '../../core/repository/piece.ts';
import { type ErrorCode, isObjectDamage } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Extent, segmentFileName } from '../../core/wal/wal-offset.ts';
import type { CheckpointFile } from '../../io/agent-state/digest-checkpoint.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import type { Warning } from '../../contract/result.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { packAbsent } from '../archive/tidy-segment.ts';
import { absentExtents, checkpointFile, replayLog, withSoundState } from '../backup/replay-log.ts';
import { checkContinues, storedHistory, timelineOfData } from '../backup/source-continuity.ts';
import type { DigestedState } from '../backup/digest-state.ts';
import type { PieceTarget } from '../backup/piece-store.ts';
import { lackingBytes, storeSegment } from '../backup/store-segments.ts';
import { byteProgress } from '../../replay/progress.ts';
import type { RunPort } from '../run-port.ts';
import { openDatabase } from '../../database/database.ts';
import { type PinnedLog, pinLog } from '../../database/log-source.ts';
import type { Store } from '../../store/store.ts';

export type StoreReplacedInput = { database: string; repository: string };

/** `unstorable`: the log in place is damaged, or it can't be held against what the repository has of its history. */
export type StoredInPlace = { kind: 'nothing' } | { kind: 'unstorable'; code: ErrorCode; why: string } | ({ kind: 'stored' } & StoredLog);

/** A log that is stored up to its last whole record. */
export type StoredLog = {
  timeline: string;
  extents: Extent[];
  state: Pick<DigestedState, 'stateDigest' | 'machines' | 'instances'>;
  warnings: Warning[];
};

/** What is said of a log itself, and not of the place where it is to be stored. */
const LOG_FAULTS = ['timeline-diverged', 'source-damaged', 'data-directory-replaced', 'data-directory-missing'];

/**
 * Stores what the repository lacks of the log that a restore is about to replace, while its server still runs: what is
 * left to be stored when it has stopped is small. Nothing is listed as a backup yet.
 * Fails: repository-unavailable, not-enough-space. Twice: the same pieces, skipped.
 */
export const storeReplaced =
  (deps: ActivityDeps) =>
  async (input: StoreReplacedInput, run: RunPort): Promise<{ warning: Warning | null }> => {
    const stored = await storeInPlace(deps, { ...input, tornTailMs: deps.config.timing.tornTailMs }, run);
    return { warning: stored.kind === 'unstorable' ? unsaved(stored.code, stored.why) : null };
  };

export function unsaved(code: string, why: string): Warning {
  return { code: 'replaced-data-unsaved', message: `what the restore replaces is in no backup, and only kept aside: ${code}: ${why}` };
}

type InPlace = StoreReplacedInput & { /** How long an incomplete record may stay so. */ tornTailMs: number };

/** The log in place, stored up to its last whole record, and the state that it gives. */
export async function storeInPlace(deps: ActivityDeps, input: InPlace, run: RunPort): Promise<StoredInPlace> {
  const database = openDatabase(deps, input.database);
  const store = await deps.openStore(input.database, input.repository);
  const files = (await listSegments(database.walDir)) ?? [];
  if (files.every(({ sizeBytes }) => sizeBytes === 0)) return { kind: 'nothing' };
  try {
    const timeline = await timelineOfData(store, database);
    await noteRun(database.agent.stateDir, run);
    const pinned = await pinLog({ dataDir: database.dataDir, timeline, runId: run.runId }, new Map());
    try {
      const segments = filesOfTimeline(pinned.segments, await store.timelines.having(timeline), timeline);
      const log: TimedLog = { ...pinned, segments, pathOf: pinned.source.pathOf, timeline, walDir: database.walDir };
      const { extents, warnings } = await storeLog(store, { log, tornTailMs: input.tornTailMs, run });
      const checkpoint = await checkpointFile(deps, input.database, timeline);
      const { state, warnings: unkept } = await digestOf(deps, { store, log, extents, checkpoint, run });
      return { kind: 'stored', timeline, extents, state, warnings: [...warnings, ...unkept] };
    } finally {
      await pinned.source.release();
    }
  } catch (error) {
    if (!(error instanceof RstowError) || !(LOG_FAULTS.includes(error.code) || isObjectDamage(error.code))) throw error;
    return { kind: 'unstorable', code: error.code, why: error.message };
  }
}

/** A log that lies aside: no server writes it any more. */
export type LogAside = StoreReplacedInput & { walDir: string };

export type StoredAside = Pick<StoredLog, 'timeline' | 'extents' | 'warnings'> & {
  /** The state that it gives: replays all of it. */
  digest: () => Promise<StoredLog['state']>;
};

/** Stores what the repository lacks of a log that lies aside. Fails: timeline-diverged, and as `storeInPlace`. */
export async function storeAside(deps: ActivityDeps, input: LogAside, run: RunPort): Promise<StoredAside> {
  const { database, repository, walDir } = input;
  const store = await deps.openStore(database, repository);
  const timeline = await timelineOfData(store, { name: database, walDir });
  const segments = (await listSegments(walDir)) ?? [];
  const log: TimedLog = { timeline, walDir, pin: 'links', segments, pathOf: (segment) => join(walDir, segmentFileName(segment)) };
  const { extents, warnings } = await storeLog(store, { log, tornTailMs: 0, run });
  const digest = async (): Promise<StoredLog['state']> => {
    const { stateDir } = deps.config.agent;
    await noteRun(stateDir, run);
    // The checkpoint of the data in place must stay theirs.
    const scratch = await makeScratch(stateDir, run.runId);
    const checkpoint = { stateDir: scratch, database, binding: { timeline, walInode: 'aside' } };
    try {
      return (await digestOf(deps, { store, log, extents, checkpoint, run })).state;
    } finally {
      await removeScratch(stateDir, run.runId);
    }
  };
  return { timeline, extents, warnings, digest };
}

type TimedLog = Pick<PinnedLog, 'pin' | 'segments'> & Pick<PinnedLog['source'], 'pathOf'> & { timeline: string; walDir: string };

type Storing = { log: TimedLog; /** How long an incomplete record may stay so. */ tornTailMs: number; run: RunPort };

/** `lackedBytes`: how much of the log the repository had not. */
type StoredSegments = { extents: Extent[]; lackedBytes: number; warnings: Warning[] };

/** Damage ends the log: what stands before it is stored, and a server would start on no more. */
export async function storeLog(store: Store, { log, tornTailMs, run }: Storing): Promise<StoredSegments> {
  const { timeline, pathOf } = log;
  const target: PieceTarget = { store, timeline, runId: run.runId };
  const fence = fenceOf(log);
  const { segments } = fence;
  await checkContinues(target, { files: segments, pathOf, ...(await storedHistory(store, log)) });
  const warnings = await storeArchived(store, { fence, run });
  const stored = await store.pieces.of(timeline);
  const known = piecesBySegment(stored);
  const source = { pathOf, tornTailMs, replay: { take: () => undefined, upTo: () => undefined } };
  const extents = absentExtents(stored, fence);
  const lackedBytes = lackingBytes(segments, known);
  const progress = byteProgress(run, lackedBytes);
  for (const extent of segments) {
    const { segment } = extent;
    try {
      const result = await storeSegment(target, { extent, known: known.get(segment) ?? [], source, run, progress });
      extents.push({ segment, endBytes: result.endBytes });
      warnings.push(...result.warnings);
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'source-damaged') throw error;
      store.pieces.relist();
      const cover = planCover(piecesBySegment(await store.pieces.of(timeline)).get(segment) ?? [], extent.endBytes);
      extents.push({ segment, endBytes: cover.missing[0]?.startBytes ?? extent.endBytes });
      warnings.push({ code: error.code, message: `the log ends there: ${error.message}` });
      break;
    }
  }
  return { extents: extents.sort((left, right) => left.segment - right.segment), lackedBytes, warnings };
}

/** Of segments that the log has lost, what only the archive still has belongs to it. */
async function storeArchived(store: Store, { fence, run }: { fence: Fence; run: RunPort }): Promise<Warning[]> {
  const { timeline, segments } = fence;
  const present = segments.map(({ segment }) => segment);
  try {
    await packAbsent({ store, timeline, run }, present);
    return [];
  } catch (error) {
    if (!(error instanceof RstowError) || !isObjectDamage(error.code)) throw error;
    return [{ code: error.code, message: `what the archive has of segments that are gone could not be stored: ${error.message}` }];
  } finally {
    store.pieces.relist();
  }
}

function fenceOf({ timeline, pin, segments }: TimedLog): Fence {
  return { format: 1, timeline, pin, segments: segments.map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes })) };
}

type Digesting = Omit<Storing, 'tornTailMs'> & { store: Store; extents: readonly Extent[]; checkpoint: CheckpointFile };

type Digested = Pick<StoredLog, 'state' | 'warnings'>;

/** From the last backup's checkpoint, and kept as the next one: the second of two calls has little to replay. */
async function digestOf(deps: ActivityDeps, { store, log, extents, checkpoint, run }: Digesting): Promise<Digested> {
  const stored = { store, fence: fenceOf(log), extents, pathOf: log.pathOf, checkpoint };
  const { state, warnings } = await withSoundState(checkpoint, () => replayLog(deps, stored, run));
  return { state: { stateDigest: state.digest, machines: state.machines.length, instances: state.instances }, warnings };
}
