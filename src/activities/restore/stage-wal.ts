import { join } from 'node:path';
import type { ServedBytes } from '../../contract/copy-backups.ts';
import type { Warning } from '../../contract/result.ts';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { noteRun } from '../../io/agent-state/run-files.ts';
import { stat } from 'node:fs/promises';
import { makeFolder } from '../../io/files/durable.ts';
import { unlessAbsent } from '../../io/files/errno.ts';
import { fsyncTree, linkOrCopy } from '../../io/data-directory/file-tree.ts';
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
import { cutLog } from '../../io/data-directory/segments.ts';
import { writeBaselineFile, writeTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { applyOwnership, type Ownership, readOwnership } from '../../io/files/ownership.ts';
import { openPreferred } from '../copy/copies-wanted.ts';
import { baselineOfLog } from '../../replay/baseline.ts';
import { replaySegments, requireDigest } from '../../replay/replay-segments.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import type { RunPort } from '../run-port.ts';
import { type PlanInput, readPlan } from './find-backup.ts';
import { planHashOf, plannedExtents } from './plan-restore.ts';
import { type SegmentCopies, segmentCopies } from './segment-copies.ts';
import { stageSegments } from './stage-segments.ts';
import { plannedFiles, restoredFiles } from './verify-live.ts';
import { requireTarget } from './restore-target.ts';
import type { Store } from '../../store/store.ts';
import type { PlannedSegment } from '../../core/backup/segment-plan.ts';
import { segmentFileName, type SegmentId, segmentOf, type WalOffset } from '../../core/wal/wal-offset.ts';

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
  /** Of a database with several repositories, as this attempt has fetched them. */
  served?: ServedBytes[] | undefined;
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
    const plan = await readPlan(deps, input);
    const { dataDir } = plan;
    const { database } = input;
    if (plan.inPlace) await requireAuthority(deps, run, { database, planHash: planHashOf(plan), isPreparing: true });
    await noteRun(deps.config.agent.stateDir, run);
    await makeDataDirectory(dataDir, plan.ownership);
    // Once more, now that it exists: nobody may have been faster.
    if (!plan.inPlace) await requireTarget(deps.config, dataDir);
    const { wal: walDir } = restorePaths(dataDir, run.runId);
    const copies = segmentCopies(deps, { ...plan, planned: plan.segments, run });
    await stageLog(copies, plan, run);
    const files = await restoredFiles(plan, walDir);
    const replayed = await replaySegments(files, run);
    requireDigest(replayed.stateDigest, plan.stateDigest, plan.label);
    // A new history begins in the plan's own repository; what another directory needs to know, any of them says.
    const store = await (plan.inPlace ? deps.openStore(database, input.repository) : openPreferred(deps, database, input.repository));
    const timeline = await markTimeline({ store, plan, walDir, input, run });
    const beginning = baselineOf(await store.timelines.having(timeline), timeline);
    if (beginning !== undefined) {
      const { segment, soundFrom } = beginning;
      await writeBaselineFile(walDir, { segment, soundFrom });
    }
    const ownership = (await readOwnership(join(dataDir, 'wal'))) ?? plan.ownership;
    const isOwnerKept = await applyOwnership(walDir, ownership);
    const isDurable = await fsyncTree(walDir);
    const { served, warnings } = copies.found();
    if (!isOwnerKept) warnings.push(ownerLost(ownership));
    if (!isDurable) warnings.push(foldersUnsynced(dataDir));
    const baselineBytes = plan.baseline === undefined ? undefined : files.extents[0]?.endBytes;
    return { timeline, records: replayed.records, baselineBytes, served, warnings };
  };

/**
 * Fetches the log, and lets it begin with the plan's baseline, which is made of the first segments. Once that is whole they are neither
 * wanted nor fetched any more.
 */
async function stageLog(copies: SegmentCopies, plan: RestorePlan, run: RunPort): Promise<void> {
  const { dataDir, segments, baseline, isRebase } = plan;
  const { wal: walDir, baseline: baselineDir } = restorePaths(dataDir, run.runId);
  const isMade = baseline !== undefined && (await hasBaseline(dataDir, run.runId, baseline.segment));
  const planned = isMade ? segments.filter(({ segment }) => segment > baseline.segment) : segments;
  const linked = isRebase === true && baseline !== undefined ? planned.filter(({ segment }) => segment <= baseline.segment) : [];
  const isLinked = new Set(await linkSegments(join(dataDir, 'wal'), walDir, linked));
  await stageSegments({ copies, planned: planned.filter((each) => !isLinked.has(each)), walDir, run, copyDir: copyDirOf(plan) });
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

/** A folder of this host that has the same segments. */
function copyDirOf({ dataDir, copyOfRun, isRebase }: RestorePlan): string | undefined {
  if (isRebase === true) return join(dataDir, 'wal');
  return copyOfRun === undefined ? undefined : join(restorePaths(dataDir, copyOfRun).replaced, 'wal');
}

/**
 * Links segments of the log in place that a baseline is to be made of: they are read once and let go of, and the state that they give is
 * proved by its digest. Gives those that are there and as long as planned; nothing is ever written to them.
 */
async function linkSegments(sourceDir: string, walDir: string, planned: readonly PlannedSegment[]): Promise<PlannedSegment[]> {
  const linked: PlannedSegment[] = [];
  await makeFolder(walDir);
  for (const segment of planned) {
    const [source, target] = [sourceDir, walDir].map((folder) => join(folder, segmentFileName(segment.segment))) as [string, string];
    if ((await unlessAbsent(stat(source)))?.size !== segment.endBytes || (await unlessAbsent(stat(target))) !== undefined) continue;
    await linkOrCopy(source, target);
    linked.push(segment);
  }
  return linked;
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
    soundFrom: baseline === undefined ? undefined : await soundFromOf(store, fromTimeline, baseline.segment),
    why: 'restore',
    runId: run.runId,
    createdAtMs: input.startedAtMs,
  });
  const fork = { from: fromTimeline, runId: run.runId };
  await writeTimelineFile(walDir, { format: 1, database, timeline, generation, fork });
  return timeline;
}

/** If the log that the baseline is made of has its first point behind the baseline's end, so has the new one. */
async function soundFromOf(store: Store, timeline: string, baseline: SegmentId): Promise<WalOffset | undefined> {
  const soundFrom = baselineOf(await store.timelines.having(timeline), timeline)?.soundFrom;
  return soundFrom !== undefined && segmentOf(soundFrom) > baseline ? soundFrom : undefined;
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
