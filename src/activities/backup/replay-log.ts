import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { checkpointFits } from '../../core/state/replay-index.ts';
import { type Extent, segmentFileName, type SegmentId } from '../../core/wal/wal-offset.ts';
import { type CheckpointFile, dropCheckpoint } from '../../io/agent-state/digest-checkpoint.ts';
import { UnsoundCheckpoint } from '../../io/agent-state/instance-runs.ts';
import { makeScratch, noteRun, removeScratch } from '../../io/agent-state/run-files.ts';
import { errnoOf, systemMessage } from '../../io/files/errno.ts';
import { emptyState, indexAfter, keepState, type KeptState, openState, settleOn, spill } from '../../replay/kept-state.ts';
import { readRecords, type ReplaySource } from '../../replay/replay-segments.ts';
import { databaseSettings } from '../../config/agent-config.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import type { PassedRecords } from './running-backups.ts';
import type { Fence } from '../../formats/repository/plans.ts';
import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { type Piece, piecesBySegment, planCover } from '../../core/repository/piece.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { onlyFrom } from '../restore/segment-copies.ts';
import { stageSegments } from '../restore/stage-segments.ts';
import type { Store } from '../../store/store.ts';

/** Of so many the changes are in memory at once. */
const INSTANCES_AT_ONCE_MAX = 25_000;

/** Where the agent keeps how far a database's digest is, for the wal/ folder that is there now. */
export async function checkpointFile(deps: ActivityDeps, database: string, timeline: string): Promise<CheckpointFile> {
  const { dataDir } = databaseSettings(deps.config, database);
  const { ino } = await stat(join(dataDir, 'wal'), { bigint: true });
  return { stateDir: deps.config.agent.stateDir, database, binding: { timeline, walInode: ino.toString() } };
}

/** The kept state that a replay up to these extents can go on from, or an empty one. */
export async function fittingState(file: CheckpointFile, extents: readonly Extent[]): Promise<KeptState> {
  const kept = await openState(file);
  return kept !== undefined && checkpointFits(kept.extents, extents) ? kept : emptyState(file);
}

/** Does it once more from the beginning of the log if the kept state turns out to be damaged. */
export async function withSoundState<Result>(file: CheckpointFile, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnsoundCheckpoint)) throw error;
    await dropCheckpoint(file);
    return work();
  }
}

type StoredLog = AbsentSegments & {
  /** Of the segments that the fence has. */
  pathOf: (segment: SegmentId) => string;
  checkpoint: CheckpointFile;
  /** If the records have passed already, up to these extents. */
  passed?: PassedRecords | undefined;
};

export type ReplayedLog = { state: KeptState; records: number; warnings: Warning[] };

/**
 * Replays a log that is stored, from the state that was kept if it fits, and keeps the next one. Segments that compaction has deleted since
 * are fetched if they have to be read at all. Fails: source-damaged, data-directory-replaced, not-enough-space, and as an object does;
 * UnsoundCheckpoint.
 */
export async function replayLog(deps: ActivityDeps, log: StoredLog, run: RunPort): Promise<ReplayedLog> {
  const { extents, passed } = log;
  const state = passed?.state ?? (await fittingState(log.checkpoint, extents));
  const isNew = state.extents.length === 0;
  const staged = passed === undefined ? await stageAbsent(deps, { ...log, replayed: state.extents }, run) : undefined;
  try {
    const pathOf = (segment: SegmentId): string => staged?.get(segment) ?? log.pathOf(segment);
    const source = { extents, pathOf, damageCode: 'source-damaged' as const };
    const records = passed?.records ?? (await readInParts(state, source, run));
    if (passed !== undefined) await settleOn(state, passed.index, source);
    return { state, records, warnings: records === 0 && !isNew ? [] : await keepForNext(state, extents) };
  } finally {
    if (staged !== undefined && staged.size > 0) await removeScratch(deps.config.agent.stateDir, run.runId);
  }
}

/** Settles the state whenever many instances have changed, so that memory holds no more of them. */
async function readInParts(state: KeptState, source: ReplaySource, run: RunPort): Promise<number> {
  let index = indexAfter(state);
  const records = await readRecords({ source, from: state.extents, run }, async () => {
    if (index.size() < INSTANCES_AT_ONCE_MAX) return index;
    await settleOn(state, index, source);
    // A state directory that takes nothing costs memory, and no backup.
    await unkept(spill(state));
    index = indexAfter(state);
    return index;
  });
  await settleOn(state, index, source);
  return records;
}

/** It saves the next replay work, and nothing more: a full disk must keep no backup and no restore from being made. */
async function keepForNext(state: KeptState, extents: readonly Extent[]): Promise<Warning[]> {
  const failure = await unkept(keepState(state, extents));
  if (failure === undefined) return [];
  const message = `${state.file.stateDir} could not take the checkpoint of the digest, so the next backup reads the whole log: ${systemMessage(failure)}`;
  return [{ code: 'checkpoint-not-kept', message }];
}

async function unkept(keeping: Promise<void>): Promise<Error | undefined> {
  try {
    await keeping;
    return undefined;
  } catch (error) {
    const isUnsupported = error instanceof RstowError && error.code === 'agent-state-unsupported';
    if (errnoOf(error) === undefined && !isUnsupported) throw error;
    return error as Error;
  }
}

/**
 * Segments that are stored and no longer in the data directory, as compaction leaves it: they are part of the log, also an empty one. One
 * that is stored with a hole is none of them. Sorted.
 */
export function absentExtents(stored: readonly Piece[], fence: Fence): Extent[] {
  const present = new Set(fence.segments.map(({ segment }) => segment));
  const extents: Extent[] = [];
  for (const [segment, pieces] of piecesBySegment(stored)) {
    if (present.has(segment)) continue;
    const endBytes = Math.max(...pieces.map((piece) => piece.endBytes));
    if (planCover(pieces, endBytes).missing.length === 0) extents.push({ segment, endBytes });
  }
  return extents.sort((left, right) => left.segment - right.segment);
}

type AbsentSegments = { store: Store; fence: Fence; extents: readonly Extent[] };

/**
 * Fetches what the data directory lacks of the log into the run's scratch folder. What is replayed already needs none of its bytes again.
 * Fails: not-enough-space, missing-object, truncated-object, damaged-object. Twice: whole segments are kept.
 */
async function stageAbsent(
  deps: ActivityDeps,
  { store, fence, extents, replayed }: AbsentSegments & { replayed: readonly Extent[] },
  run: RunPort,
): Promise<Map<SegmentId, string>> {
  const present = new Set(fence.segments.map(({ segment }) => segment));
  const replayedBytes = new Map(replayed.map(({ segment, endBytes }) => [segment, endBytes]));
  const wanted = extents.filter(({ segment, endBytes }) => !present.has(segment) && endBytes > (replayedBytes.get(segment) ?? 0));
  if (wanted.length === 0) return new Map();
  const stored = piecesBySegment(await store.pieces.of(fence.timeline));
  const planned: PlannedSegment[] = [];
  for (const extent of wanted) planned.push(await planWhole({ store, run }, extent, stored.get(extent.segment) ?? []));
  await noteRun(deps.config.agent.stateDir, run);
  const walDir = join(await makeScratch(deps.config.agent.stateDir, run.runId), 'wal');
  await requireSpace(
    walDir,
    wanted.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  await stageSegments({ copies: onlyFrom(store, run), planned, walDir, run });
  return new Map(wanted.map(({ segment }) => [segment, join(walDir, segmentFileName(segment))]));
}

type Reading = { store: Store; run: RunPort };

/** By the sidecars: a manifest that promises these ranges may not be there. */
async function planWhole({ store, run }: Reading, extent: Extent, stored: readonly Piece[]): Promise<PlannedSegment> {
  const { pieces } = planCover(stored, extent.endBytes);
  const ranges: PlannedSegment['ranges'] = [];
  for (const piece of pieces) {
    const { sha256, records } = await store.pieces.sidecar(piece, run);
    const { timeline, startBytes, endBytes } = piece;
    ranges.push({ timeline, startBytes, endBytes, sha256, records });
  }
  const slices = pieces.map(({ key, startBytes, endBytes }) => ({ key, skipBytes: 0, takeBytes: endBytes - startBytes }));
  return { ...extent, slices, ranges };
}
