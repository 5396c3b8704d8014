import { join } from 'node:path';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { noteRun } from '../../io/agent-state/run-files.ts';
import { fsyncTree } from '../../io/data-directory/file-tree.ts';
import { makeDataDirectory } from '../../io/data-directory/restore-target.ts';
import {
  clearRestore,
  closeStaging,
  hasBaseline,
  placeBaseline,
  placeStagedWal,
  restorePaths,
  writeStagedSegment,
} from '../../io/data-directory/restores.ts';
import { readRange } from '../../io/data-directory/range-reader.ts';
import { cutLog } from '../../io/data-directory/segments.ts';
import { writeBaselineFile, writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { applyOwnership, type Ownership, readOwnership } from '../../io/files/ownership.ts';
import { baselineOfLog } from '../../replay/baseline.ts';
import { replaySegments, requireDigest } from '../../replay/replay-segments.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import type { RunPort } from '../run-port.ts';
import { planHashOf, type PlanInput, plannedExtents, readPlan } from './plan-restore.ts';
import { plannedFiles, restoredFiles } from './verify-live.ts';
import { requireTarget } from './restore-target.ts';
import { createRangeCheck } from '../../store/stored-object.ts';
import type { Store } from '../../store/store.ts';
import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { type ByteProgress, byteProgress } from '../../replay/progress.ts';
import { allEnded, batchesOf } from '../../store/small-batches.ts';

type StageWalInput = {
  database: string;
  repository: string;
  planKey: string;
  startedAtMs: number;
  /** That of an owner to be; the present owner's where absent. */
  generation?: number | undefined;
};
export type StagedWal = {
  timeline: string;
  records: number;
  /** Of the segment with which the log begins, if the plan has one. */
  baselineBytes?: number | undefined;
  warnings: Warning[];
};

/**
 * Fetches the backup's log into the run's own folder beside the data, checks every record, lets it begin with a baseline if
 * the plan has one, replays it and compares the state's digest. A restore in place begins a new timeline: its object first, then the file in the staged wal/.
 * Fails: missing-object, truncated-object, damaged-object, digest-different, not-enough-space, owner-outdated,
 * signature-refused. Twice: whole segments are kept.
 */
export const stageWal =
  (deps: ActivityDeps) =>
  async (input: StageWalInput, run: RunPort): Promise<StagedWal> => {
    const store = await deps.openStore(input.database, input.repository);
    const plan = await store.plans.restore().read(input.planKey);
    const { dataDir } = plan;
    const { database } = input;
    if (plan.inPlace) await requireAuthority(deps, run, { database, planHash: planHashOf(plan), isPreparing: true });
    await noteRun(deps.config.agent.stateDir, run);
    await makeDataDirectory(dataDir, plan.ownership);
    // Once more, now that it exists: nobody may have been faster.
    if (!plan.inPlace) await requireTarget(deps.config, dataDir);
    const { wal: walDir } = restorePaths(dataDir, run.runId);
    await stageLog(store, plan, run);
    const files = await restoredFiles(plan, walDir);
    const replayed = await replaySegments(files, run);
    requireDigest(replayed.stateDigest, plan.stateDigest, plan.label);
    const timeline = await markTimeline({ store, plan, walDir, input, run });
    const beginning = baselineOf(await store.timelines.all(), timeline);
    if (beginning !== undefined) await writeBaselineFile(walDir, beginning.segment);
    const ownership = (await readOwnership(join(dataDir, 'wal'))) ?? plan.ownership;
    const isOwnerKept = await applyOwnership(walDir, ownership);
    const isDurable = await fsyncTree(walDir);
    const warnings: Warning[] = [];
    if (!isOwnerKept) warnings.push(ownerLost(ownership));
    if (!isDurable) warnings.push(foldersUnsynced(dataDir));
    const baselineBytes = plan.baseline === undefined ? undefined : files.extents[0]?.endBytes;
    return { timeline, records: replayed.records, baselineBytes, warnings };
  };

/**
 * Fetches the log, and lets it begin with the plan's baseline, which is made of the first segments. Once that is whole they are neither
 * wanted nor fetched any more.
 */
async function stageLog(store: Store, plan: RestorePlan, run: RunPort): Promise<void> {
  const { dataDir, segments, baseline, copyOfRun } = plan;
  const { wal: walDir, baseline: baselineDir } = restorePaths(dataDir, run.runId);
  const copyDir = copyOfRun === undefined ? undefined : join(restorePaths(dataDir, copyOfRun).replaced, 'wal');
  const isMade = baseline !== undefined && (await hasBaseline(dataDir, run.runId, baseline.segment));
  const planned = isMade ? segments.filter(({ segment }) => segment > baseline.segment) : segments;
  await stageSegments({ store, planned, walDir, run, copyDir });
  const end = plannedExtents(plan).at(-1);
  if (end !== undefined) await cutLog(walDir, end);
  if (baseline === undefined) return;
  const { segment } = baseline;
  if (!isMade) {
    const whole = plannedFiles(plan, walDir);
    const replaced = { ...whole, extents: whole.extents.filter((extent) => extent.segment <= segment) };
    const content = (): AsyncIterable<Uint8Array> => baselineOfLog(replaced, run);
    await writeStagedSegment({ walDir: baselineDir, segment, sizeBytes: undefined, content, signal: run.signal });
    await closeStaging(baselineDir);
  }
  await placeBaseline(dataDir, run.runId, segment);
}

function ownerLost({ uid, gid }: Ownership): Warning {
  const message = `the restored files could not be given to user ${uid}, group ${gid}, and stay with the agent’s own user: a server of that user can't write them`;
  return { code: 'owner-not-kept', message };
}

function foldersUnsynced(dataDir: string): Warning {
  const message = `the disk of ${dataDir} can't make folders durable: if the host loses power soon after the restore, files may be missing`;
  return { code: 'folders-unsynced', message };
}

type Marking = { store: Store; plan: RestorePlan; walDir: string; input: StageWalInput; run: RunPort };

/** A copy elsewhere keeps its source's timeline: it is no new history of the database. */
async function markTimeline({ store, plan, walDir, input, run }: Marking): Promise<string> {
  const { database, fromTimeline, label, inPlace, baseline } = plan;
  if (!inPlace) {
    await writeTimelineFile(walDir, { format: 1, database, timeline: fromTimeline, generation: 1 });
    return fromTimeline;
  }
  const generation = input.generation ?? (await store.owner.require()).generation;
  const parent = { timeline: fromTimeline, label, extents: plannedExtents(plan) };
  const { timeline } = await store.timelines.create({
    generation,
    parent,
    baseline: baseline?.segment,
    why: 'restore',
    runId: run.runId,
    createdAtMs: input.startedAtMs,
  });
  const fork = { from: fromTimeline, runId: run.runId };
  await writeTimelineFile(walDir, { format: 1, database, timeline, generation, fork });
  return timeline;
}

/** Gives the staged wal/ its name in the other directory; no server knows it yet. Twice: no-op. */
export const placeElsewhere =
  (deps: ActivityDeps) =>
  async (input: PlanInput, run: RunPort): Promise<void> => {
    const plan = await readPlan(deps, input);
    await placeStagedWal(plan.dataDir, run.runId);
  };

/**
 * Clears what the run has staged; the data that it replaced stay for their time. Asks no repository: one that has gone
 * must not keep a failed restore from ending. Twice: no-op.
 */
export const clearStaging =
  () =>
  async ({ dataDir }: { dataDir: string }, run: RunPort): Promise<void> => {
    await clearRestore(dataDir, run.runId);
  };

/** So many small segments are written side by side. */
const BATCH_SEGMENTS_MAX = 16;

type Staging = {
  store: Pick<Store, 'pieces'>;
  planned: readonly PlannedSegment[];
  walDir: string;
  run: RunPort;
  /** A folder of this host that may have the same segments: what is right there needn't be fetched. */
  copyDir?: string | undefined;
};

/**
 * Fetches whole segments into a folder, each checked while it streams in; all are durable at the end.
 * Fails: missing-object, truncated-object, damaged-object, not-enough-space, repository-unavailable. Twice: what is
 * there is kept.
 */
export async function stageSegments(staging: Staging): Promise<void> {
  const { walDir, run, planned } = staging;
  const progress = byteProgress(
    run,
    planned.reduce((sum, { endBytes }) => sum + endBytes, 0),
  );
  for (const batch of batchesOf(planned, { sizeBytesOf: ({ endBytes }) => endBytes, countMax: BATCH_SEGMENTS_MAX })) {
    progress.doing(segmentFileName(batch[0].segment));
    await stageBatch(staging, batch, progress);
  }
  await closeStaging(walDir);
}

async function stageBatch(staging: Staging, batch: readonly PlannedSegment[], progress: ByteProgress): Promise<void> {
  await allEnded(batch.map((planned) => stageSegment(staging, planned, progress)));
}

async function stageSegment({ store, walDir, run, copyDir }: Staging, planned: PlannedSegment, progress: ByteProgress): Promise<void> {
  const { signal } = run;
  const { segment, endBytes: sizeBytes } = planned;
  const write = async (chunks: () => AsyncIterable<Uint8Array>): Promise<void> => {
    await writeStagedSegment({ walDir, segment, sizeBytes, content: () => counted(chunks(), progress), signal });
  };
  const fetch = (): Promise<void> => write(() => store.pieces.segment({ planned, signal }));
  if (copyDir === undefined) return fetch();
  try {
    await write(() => copiedSegment(join(copyDir, segmentFileName(segment)), planned, signal));
  } catch (error) {
    if (!(error instanceof RstowError) || !COPY_FAULTS.includes(error.code)) throw error;
    await fetch();
  }
}

/** The copy is gone by now, its disk can't read it, or it holds other bytes: the repository has them. */
const COPY_FAULTS: readonly string[] = ['data-directory-replaced', 'source-damaged', 'damaged-object'];

/** A copied file, each of whose ranges has to be what the backup holds. */
async function* copiedSegment(path: string, planned: PlannedSegment, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const ranges = createRangeCheck(planned.ranges);
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: planned.endBytes, signal })) {
    ranges.push(chunk, path);
    yield chunk;
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, progress: ByteProgress): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    progress.add(chunk.length);
    yield chunk;
  }
}
