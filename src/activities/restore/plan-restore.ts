import type { RestoreSummary } from '../../contract/restore.ts';
import type { Warning } from '../../contract/result.ts';
import { type PlannedSegment, summariseExtents } from '../../core/backup/segment-plan.ts';
import { RstowError, withClause } from '../../core/errors/rstow-error.ts';
import { sizeText } from '../../core/text/figures.ts';
import { type Extent, segmentIdText, type WalOffsetText } from '../../core/wal/wal-offset.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import type { Manifest, ManifestSegment } from '../../formats/repository/manifest.ts';
import { type RecoveryPoint, type RestorePlan, restorePlanSchema } from '../../formats/repository/plans.ts';
import { listReplaced } from '../../io/data-directory/restores.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { sealOf } from '../../io/repository/sealed-object.ts';
import { FIRST_TIMELINE } from '../../formats/repository/history.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { listHistory, offsetText } from '../recovery-point/stored-history.ts';
import { checkpointFile, fittingState } from '../backup/replay-log.ts';
import { presentBytes } from '../../replay/kept-state.ts';
import { allButLast, chooseBaseline } from './choose-baseline.ts';
import { findBackup, type FoundBackup, keepEverywhere, keptPlan } from './find-backup.ts';
import { planFromCopies, requireKeysOfCopies } from './segment-copies.ts';
import { checkPlace, checkTarget, type Refusals } from './restore-target.ts';
import type { Store } from '../../store/store.ts';

export type PlanRestoreInput = {
  database: string;
  repository?: string | undefined;
  backup: string;
  /** A point within that backup, which `findPoint` has found; its end where absent. */
  pointKey?: string | undefined;
  toDataDir?: string | undefined;
  /** The run whose safety copy has the backup's log as well. */
  copyOfRun?: string | undefined;
  /** Whatever the config says of old history: an undo puts back what there was. */
  keepsHistory?: boolean;
  /** The log in place goes on behind a baseline of all but its last segment. */
  isRebase?: boolean;
  /** A recovery that is about to take the database over: it isn't the owner yet, and may try one backup after another. */
  takeover?: { attempt: number };
  /** What keeps the restore from being carried out is then reported in the plan's warnings, and fails nothing. */
  dryRun?: boolean | undefined;
};
export type PlannedRestore = Omit<RestoreSummary, 'timeline' | 'agent'> & {
  warnings: Warning[];
  /** Of a rebase: the segments that the data directory lacks, so that the next start of its server would. */
  lackingInPlace?: number | undefined;
  /** Present where the config wants another person's agreement for some workflows. */
  approval?: { for: string[]; expiresMs: number } | undefined;
};

/**
 * Decides what a restore will do, before anything is touched: the backup, a cover of stored pieces, the place, the
 * space. The plan is an object of its own. Fails: backup-not-found, missing-object, damaged-object, wal-gap,
 * service-unmanaged, server-program-missing, data-directory-unsupported, invalid-input (the target), data-directory-replaced, target-not-empty,
 * target-not-allowed, not-enough-space, owner-outdated, invalid-config (a secret file), wrong-key. Twice: the first plan, or a failure where
 * it doesn't stand any more: a restore in place asks again once it has the lock.
 */
export const planRestore =
  (deps: ActivityDeps) =>
  async (input: PlanRestoreInput, run: RunPort): Promise<PlannedRestore> => {
    const database = openDatabase(deps, input.database);
    const { approval } = database.settings;
    const isOwners = input.toDataDir === undefined && input.takeover === undefined;
    if (isOwners) await deps.catalogueOf(input.database).owner.require();
    const refused: Warning[] = [];
    const each: Refusals = input.dryRun === true ? (check) => check().catch(asWarning(refused)) : (check) => check();
    const first = await keptPlan(deps, { ...input, runId: run.runId });
    if (first !== undefined) await requireUnchanged(first.plan, database);
    const found = first ?? (await findBackup(deps, input));
    const { store } = found;
    const plans = store.plans.restore(input.takeover?.attempt);
    const plan = 'plan' in found ? found.plan : (await plans.keep(run.runId, await newPlan(deps, { input, database, each }, found))).plan;
    await keepEverywhere(deps, plan, { ...input, runId: run.runId });
    const rolledBack = wantsNewest(input) ? await rollbackWarnings(store) : [];
    const warnings = [...rolledBack, ...('plan' in found ? [] : found.warnings), ...refused];
    const lackingInPlace = plan.isRebase === true ? (await lackingSegments(plan, database.walDir)).length : undefined;
    const archivedEnd = isOwners && input.backup === 'latest' ? await endBeyond(store, plan) : undefined;
    return { ...summaryOf(plan, plans.keyOf(run.runId)), archivedEnd, lackingInPlace, warnings, approval };
  };

/** A recovery tries the newest backups by their labels. */
function wantsNewest({ backup, takeover }: PlanRestoreInput): boolean {
  return backup === 'latest' || takeover !== undefined;
}

/** What is newest here may not be what was. */
export async function rollbackWarnings({ backups }: Store): Promise<Warning[]> {
  const rolledBack = await backups.rolledBack();
  return rolledBack === undefined ? [] : [{ code: 'repository-rolled-back', message: rolledBack.sentence }];
}

/** What the newest backup lacks and the archive has: whoever has lost the data wants to know of it. */
async function endBeyond(store: Store, { label }: RestorePlan): Promise<WalOffsetText | undefined> {
  try {
    const { isArchived, newest, end } = await listHistory(store, { target: { latest: true } });
    return isArchived && newest.label === label ? offsetText(end) : undefined;
  } catch (error) {
    // One that lacks the history in use, as a second repository may after a recovery, has no archive of it.
    if (error instanceof RstowError && error.code === 'point-not-found') return undefined;
    throw error;
  }
}

function asWarning(warnings: Warning[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof RstowError)) throw error;
    warnings.push({ code: error.code, message: `the restore would be refused: ${error.message}` });
  };
}

/** Whether what the plan replaces is still there. Fails: data-directory-replaced. */
async function requireUnchanged(plan: RestorePlan, { dataDir, walDir }: Database): Promise<void> {
  if (plan.replaces === undefined) return;
  if (plan.dataDir !== dataDir) {
    const sentence = `the restore was planned for ${plan.dataDir}, but the agent's config now names ${dataDir}; nothing was touched`;
    throw new RstowError('data-directory-replaced', sentence, { details: { dataDir } });
  }
  requireOnlyGrown(plan.replaces.data, await readReplacedData(walDir), walDir);
}

type NewPlan = { input: PlanRestoreInput; database: Database; each: Refusals };

async function newPlan(deps: ActivityDeps, { input, database, each }: NewPlan, { store, manifest }: FoundBackup): Promise<RestorePlan> {
  const inPlace = input.toDataDir === undefined;
  const point = input.pointKey === undefined ? undefined : await store.plans.point.read(input.pointKey);
  if (point === undefined) await store.backups.requireRestorable(manifest);
  const dataDir = input.toDataDir ?? database.dataDir;
  const isOwners = inPlace && input.takeover === undefined;
  // A new host gets its secret files, and its server, only when it is prepared.
  if (inPlace) await checkPlace(database, { each, isPrepared: isOwners });
  else await each(() => checkTarget(dataDir, deps.config));
  const replaces = isOwners ? { data: await readReplacedData(database.walDir) } : undefined;
  const { copyOfRun, keepsHistory = false, isRebase } = input;
  const historyDays = isOwners && !keepsHistory ? database.settings.restore.historyDays : undefined;
  const plan = await makePlan({ deps, store, manifest, point }, { dataDir, inPlace, replaces, copyOfRun, isRebase, historyDays });
  await each(() => requireKeys(deps, { store, plan, database }));
  const neededBytes = isRebase === true ? await rebaseBytes(deps, plan, database) : restoreBytes(plan);
  await each(() => requireSpaceBesideCopies(dataDir, neededBytes));
  return plan;
}

/** An undo has the log in the safety copy, and a rebase most of it in place. Fails: wrong-key. */
async function requireKeys(deps: ActivityDeps, of: { store: Store; plan: RestorePlan; database: Database }): Promise<void> {
  const { store, plan, database } = of;
  if (plan.copyOfRun !== undefined) return;
  await requireKeysOfCopies(deps, store, plan.isRebase === true ? await lackingSegments(plan, database.walDir) : plan.segments);
}

/** A baseline is made beside what it stands for, and hardly ever larger. */
function restoreBytes({ segments, baseline }: RestorePlan): number {
  return segments.reduce((sum, { endBytes }) => sum + endBytes, baseline?.replacedBytes ?? 0);
}

/** Segments that are there are linked, all but the last: a disk that a log has filled must not keep it from being shortened. */
async function rebaseBytes(deps: ActivityDeps, plan: RestorePlan, { name, walDir }: Database): Promise<number> {
  const fetched = [...(await lackingSegments(plan, walDir)), ...plan.segments.slice(-1)];
  const fetchedBytes = fetched.reduce((sum, { endBytes }) => sum + endBytes, 0);
  if (plan.baseline === undefined) return fetchedBytes;
  const state = await fittingState(await checkpointFile(deps, name, plan.fromTimeline), plannedExtents(plan));
  const isKnown = state.extents.length > 0;
  return fetchedBytes + (isKnown ? Math.min(await presentBytes(state), plan.baseline.replacedBytes) : plan.baseline.replacedBytes);
}

async function lackingSegments({ segments }: RestorePlan, walDir: string): Promise<PlannedSegment[]> {
  const inPlace = new Set(((await listSegments(walDir)) ?? []).map(({ segment }) => segment));
  return segments.filter(({ segment }) => !inPlace.has(segment));
}

/** A rename takes no space, but what earlier restores have replaced does, until its time is over. Fails: not-enough-space. */
async function requireSpaceBesideCopies(dataDir: string, sizeBytes: number): Promise<void> {
  try {
    await requireSpace(dataDir, sizeBytes);
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'not-enough-space') throw error;
    const copies = await listReplaced(dataDir);
    if (copies.length === 0) throw error;
    const keptBytes = copies.reduce((sum, copy) => sum + copy.sizeBytes, 0);
    const paths = copies.map(({ path }) => path);
    const sentence = `what earlier restores have replaced takes ${sizeText(keptBytes)} there; if nobody will undo them from it, delete ${paths.join(', ')}`;
    throw withClause(error, sentence, { keptBytes, safetyCopies: paths });
  }
}

type Source = { deps: ActivityDeps; store: Store; manifest: Manifest; point: RecoveryPoint | undefined };

async function makePlan(
  { deps, store, manifest, point }: Source,
  {
    historyDays,
    ...place
  }: Pick<RestorePlan, 'dataDir' | 'inPlace' | 'replaces' | 'copyOfRun' | 'isRebase'> & { historyDays: number | undefined },
): Promise<RestorePlan> {
  const { database, label, ownership } = manifest;
  const { timeline, records, machines, instances, stateDigest } = point ?? manifest;
  const segments = await planFromCopies(deps, store, point === undefined ? manifest.segments : logUpTo(manifest, point));
  const wholeBytes = segments.at(-1)?.endBytes ?? 0;
  const endBytes = point?.end.endBytes ?? wholeBytes;
  const restored = { manifest, timeline, segments, endBytes };
  return {
    format: 1,
    database,
    repository: store.name,
    label,
    ...place,
    fromTimeline: timeline,
    segments,
    cutBytes: endBytes === wholeBytes ? undefined : endBytes,
    baseline: await baselineFor(store, restored, { historyDays, isRebase: place.isRebase }),
    records,
    machines,
    instances,
    stateDigest,
    ownership,
  };
}

type BaselineWanted = { historyDays: number | undefined; isRebase: boolean | undefined };

async function baselineFor(
  store: Store,
  restored: Omit<Parameters<typeof chooseBaseline>[1], 'historyDays'>,
  { historyDays, isRebase }: BaselineWanted,
): Promise<RestorePlan['baseline']> {
  if (isRebase === true) return allButLast(store, restored);
  return historyDays === undefined ? undefined : chooseBaseline(store, { ...restored, historyDays });
}

/** Which the archive may hold beyond the backup's own. */
function logUpTo(manifest: Manifest, { end, segments = manifest.segments }: RecoveryPoint): ManifestSegment[] {
  return segments.filter(({ segment }) => segment <= end.segment);
}

/** How far each segment of the restored log goes; a baseline takes the place of the first ones only later. */
export function plannedExtents({ segments, cutBytes }: Pick<RestorePlan, 'segments' | 'cutBytes'>): Extent[] {
  const extents = segments.map(({ segment, endBytes }) => ({ segment, endBytes }));
  const last = extents.at(-1);
  if (last !== undefined) last.endBytes = cutBytes ?? last.endBytes;
  return extents;
}

function summaryOf(plan: RestorePlan, key: string): Omit<PlannedRestore, 'warnings'> {
  const { label, repository, dataDir, fromTimeline, records, machines, instances, stateDigest, baseline } = plan;
  const extents = summariseExtents(plannedExtents(plan));
  const common = { label, repository, dataDir, fromTimeline, extents, records, machines, instances, stateDigest };
  const begins = baseline === undefined ? undefined : { ...baseline, segment: segmentIdText(baseline.segment) };
  return { ...common, baseline: begins, planKey: key, planHash: planHashOf(plan) };
}

/** What is approved: the plan, by the SHA-256 that its object has. */
export function planHashOf(plan: RestorePlan): string {
  return sealOf({ schema: restorePlanSchema, value: plan });
}

/** What a restore in place will replace, as it was when the restore was planned; null where there is nothing. */
export type ReplacedData = NonNullable<RestorePlan['replaces']>['data'];

/** The end is where the last segment's file ends, whole record or not. */
export async function readReplacedData(walDir: string): Promise<ReplacedData> {
  const last = (await listSegments(walDir))?.at(-1);
  if (last === undefined) return null;
  const { segment, sizeBytes: endBytes } = last;
  return { timeline: await timelineOf(walDir), end: { segment, endBytes } };
}

/** What is to be replaced may well be spoilt; a log that nobody has marked yet is of the first timeline. */
async function timelineOf(walDir: string): Promise<string | null> {
  try {
    return (await readTimelineFile(walDir))?.timeline ?? FIRST_TIMELINE;
  } catch (error) {
    if (error instanceof RstowError && error.code === 'timeline-diverged') return null;
    throw error;
  }
}

/**
 * What was agreed to be replaced is still there, and has only grown: otherwise somebody else has restored meanwhile, or
 * put other files there. Data that have vanished since are no reason to stop. Fails: data-directory-replaced.
 */
export function requireOnlyGrown(before: ReplacedData, now: ReplacedData, walDir: string): void {
  if (now === null) return;
  const isSame = before !== null && before.timeline === now.timeline && !isBefore(now.end, before.end);
  if (isSame) return;
  const sentence = `the restore was planned to replace ${describe(before)}, but ${walDir} now holds ${describe(now)}; nothing was touched`;
  throw new RstowError('data-directory-replaced', sentence, { details: { walDir } });
}

type End = NonNullable<ReplacedData>['end'];

function isBefore(one: End, other: End): boolean {
  return one.segment < other.segment || (one.segment === other.segment && one.endBytes < other.endBytes);
}

function describe(data: ReplacedData): string {
  if (data === null) return 'nothing';
  const { timeline, end } = data;
  return `timeline ${timeline ?? 'unknown'} up to byte ${end.endBytes} of segment ${end.segment}`;
}
