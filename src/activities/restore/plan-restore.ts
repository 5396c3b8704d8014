import { createHash } from 'node:crypto';
import type { RestoreSummary } from '../../contract/restore.ts';
import type { Warning } from '../../contract/result.ts';
import { summariseExtents } from '../../core/backup/segment-plan.ts';
import { RstowError, withClause } from '../../core/errors/rstow-error.ts';
import { sizeText } from '../../core/text/figures.ts';
import { type Extent, segmentIdText } from '../../core/wal/wal-offset.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import { type RecoveryPoint, type RestorePlan, restorePlanSchema } from '../../formats/repository/plans.ts';
import { listReplaced } from '../../io/data-directory/restores.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { readTimelineFile } from '../../io/data-directory/rstow-folder.ts';
import { requireSpace } from '../../io/files/free-space.ts';
import { sealObject } from '../../io/repository/sealed-object.ts';
import { FIRST_TIMELINE } from '../../store/timelines.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { chooseBaseline } from './choose-baseline.ts';
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
  /** A recovery that is about to take the database over: it isn't the owner yet, and may try one backup after another. */
  takeover?: { attempt: number };
  /** What keeps the restore from being carried out is then reported in the plan's warnings, and fails nothing. */
  dryRun?: boolean | undefined;
};
export type PlannedRestore = Omit<RestoreSummary, 'timeline' | 'agent'> & {
  warnings: Warning[];
  /** Present where the config wants another person's agreement for some workflows. */
  approval?: { for: string[]; expiresMs: number } | undefined;
};

/**
 * Decides what a restore will do, before anything is touched: the backup, a cover of stored pieces, the place, the
 * space. The plan is an object of its own. Fails: backup-not-found, missing-object, damaged-object, wal-gap,
 * service-unmanaged, server-program-missing, data-directory-unsupported, invalid-input (the target), data-directory-replaced, target-not-empty,
 * target-not-allowed, not-enough-space,
 * owner-outdated, invalid-config (a secret file). Twice: the first plan, or a failure where it doesn't stand any more: a
 * restore in place asks again once it has the lock.
 */
export const planRestore =
  (deps: ActivityDeps) =>
  async (input: PlanRestoreInput, run: RunPort): Promise<PlannedRestore> => {
    const database = openDatabase(deps, input.database);
    const store = await deps.openStore(input.database, input.repository);
    const plans = store.plans.restore(input.takeover?.attempt);
    const { approval } = database.settings;
    const isOwners = input.toDataDir === undefined && input.takeover === undefined;
    if (isOwners) await store.owner.require();
    const warnings: Warning[] = [];
    const each: Refusals = input.dryRun === true ? (check) => check().catch(asWarning(warnings)) : (check) => check();
    const first = await plans.find(run.runId);
    if (first !== undefined) await requireUnchanged(first, database);
    const plan = first ?? (await plans.keep(run.runId, await newPlan(deps, { input, store, database, each }))).plan;
    return { ...summaryOf(plan, plans.keyOf(run.runId)), warnings, approval };
  };

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

type NewPlan = { input: PlanRestoreInput; store: Store; database: Database; each: Refusals };

async function newPlan(deps: ActivityDeps, { input, store, database, each }: NewPlan): Promise<RestorePlan> {
  const { takeover } = input;
  const inPlace = input.toDataDir === undefined;
  const manifest = await store.backups.find(input.backup);
  const point = input.pointKey === undefined ? undefined : await store.plans.point.read(input.pointKey);
  if (point === undefined) await store.backups.requireRestorable(manifest);
  const dataDir = input.toDataDir ?? database.dataDir;
  const isOwners = inPlace && takeover === undefined;
  // A new host gets its secret files, and its server, only when it is prepared.
  if (inPlace) await checkPlace(database, { each, isPrepared: isOwners });
  else await each(() => checkTarget(dataDir, deps.config));
  const replaces = isOwners ? { data: await readReplacedData(database.walDir) } : undefined;
  const { copyOfRun, keepsHistory = false } = input;
  const historyDays = isOwners && !keepsHistory ? database.settings.restore.historyDays : undefined;
  const plan = await makePlan({ store, manifest, point }, { dataDir, inPlace, replaces, copyOfRun, historyDays });
  const sizeBytes = plan.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
  // A baseline is made beside what it stands for, and hardly ever larger.
  await each(() => requireSpaceBesideCopies(dataDir, sizeBytes + (plan.baseline?.replacedBytes ?? 0)));
  return plan;
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

/** Where the plan of a run lies. */
export type PlanInput = { database: string; repository: string; planKey: string };

/** Fails: missing-object, truncated-object, damaged-object, repository-unavailable. */
export async function readPlan(deps: Pick<ActivityDeps, 'openStore'>, { database, repository, planKey }: PlanInput): Promise<RestorePlan> {
  return (await deps.openStore(database, repository)).plans.restore().read(planKey);
}

type Source = { store: Store; manifest: Manifest; point: RecoveryPoint | undefined };

async function makePlan(
  { store, manifest, point }: Source,
  { historyDays, ...place }: Pick<RestorePlan, 'dataDir' | 'inPlace' | 'replaces' | 'copyOfRun'> & { historyDays: number | undefined },
): Promise<RestorePlan> {
  const { database, label, timeline, ownership } = manifest;
  const { records, machines, instances, stateDigest } = point ?? manifest;
  const segments = await store.pieces.plan(point === undefined ? manifest : upTo(manifest, point));
  const wholeBytes = segments.at(-1)?.endBytes ?? 0;
  const endBytes = point?.end.endBytes ?? wholeBytes;
  return {
    format: 1,
    database,
    repository: store.name,
    label,
    ...place,
    fromTimeline: timeline,
    segments,
    cutBytes: endBytes === wholeBytes ? undefined : endBytes,
    baseline: historyDays === undefined ? undefined : await chooseBaseline(store, { manifest, segments, endBytes, historyDays }),
    records,
    machines,
    instances,
    stateDigest,
    ownership,
  };
}

function upTo(manifest: Manifest, { end }: RecoveryPoint): Manifest {
  return { ...manifest, segments: manifest.segments.filter(({ segment }) => segment <= end.segment) };
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

/** What is approved: the plan as it is stored. */
export function planHashOf(plan: RestorePlan): string {
  return createHash('sha256').update(sealObject(restorePlanSchema, plan)).digest('hex');
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
