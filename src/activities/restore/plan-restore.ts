import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { DatabaseConfig } from '../../config/agent-config.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import { type RestorePlan, restorePlanSchema } from '../../formats/repository/restore-plan.ts';
import type { RestoreSummary } from '../../contract/restore.ts';
import type { Warning } from '../../contract/result.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { planKey } from '../../core/repository/object-keys.ts';
import type { Repository } from '../../io/repository/port.ts';
import { putSealed, readOwn, readSealed, sealObject } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../../config/database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { openDatabase } from '../../database/database.ts';
import { findBackup } from '../../store/backups.ts';
import { requireOwner } from '../../store/ownership.ts';
import { planSegments } from '../../store/planned-segments.ts';
import { requireRestorableOrName } from '../../store/restorable.ts';
import { readReplacedData, requireOnlyGrown } from './replaced-data.ts';
import { checkPlace, checkTarget, type Refusals } from './restore-target.ts';
import { requireSpace } from './space.ts';

export type PlanRestoreInput = {
  database: string;
  repository?: string | undefined;
  backup: string;
  toDataDir?: string | undefined;
  /** A recovery that is about to take the database over: it isn't the owner yet, and may try one backup after another. */
  takeover?: { attempt: number };
  /** What keeps the restore from being carried out is then told in the plan's warnings, and fails nothing. */
  dryRun?: boolean | undefined;
};
export type PlannedRestore = Omit<RestoreSummary, 'timeline' | 'agent'> & {
  warnings: Warning[];
  /** Present where the config wants another person's agreement for some workflows. */
  approval?: { for: string[]; expiresMs: number };
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
    const { database } = input;
    const settings = databaseSettings(deps.config, database);
    const name = repositoryName(settings, input.repository);
    const repository = await deps.openRepository(name);
    const key = planKey(database, run.runId, input.takeover === undefined ? 'restore' : `restore-${input.takeover.attempt}`);
    const { approval } = settings;
    const isOwners = input.toDataDir === undefined && input.takeover === undefined;
    if (isOwners) await requireOwner(deps, database);
    const warnings: Warning[] = [];
    const each: Refusals = input.dryRun === true ? (check) => check().catch(told(warnings)) : (check) => check();
    const plan = (await standingPlan(repository, key, settings)) ?? (await newPlan(deps, { input, repository, name, key, each }));
    return { ...summaryOf(plan, key), warnings, ...(approval === undefined ? {} : { approval }) };
  };

function told(warnings: Warning[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof RstowError)) throw error;
    warnings.push({ code: error.code, message: `the restore would be refused: ${error.message}` });
  };
}

/** The plan of that key; undefined where there is none yet. Fails: data-directory-replaced. */
async function standingPlan(repository: Repository, key: string, { dataDir }: DatabaseConfig): Promise<RestorePlan | undefined> {
  const plan = await readSealed(repository, key, restorePlanSchema);
  if (plan?.replaces === undefined) return plan;
  if (plan.dataDir !== dataDir) {
    const sentence = `the restore was planned for ${plan.dataDir}, but the agent's config now names ${dataDir}; nothing was touched`;
    throw new RstowError('data-directory-replaced', sentence, { details: { dataDir } });
  }
  const walDir = join(dataDir, 'wal');
  requireOnlyGrown(plan.replaces.data, await readReplacedData(walDir), walDir);
  return plan;
}

type NewPlan = { input: PlanRestoreInput; repository: Repository; name: string; key: string; each: Refusals };

async function newPlan(deps: ActivityDeps, { input, repository, name, key, each }: NewPlan): Promise<RestorePlan> {
  const { database, takeover } = input;
  const settings = databaseSettings(deps.config, database);
  const inPlace = input.toDataDir === undefined;
  const manifest = await findBackup(deps, { repository, database }, input.backup);
  await requireRestorableOrName(deps, repository, manifest);
  const dataDir = input.toDataDir ?? settings.dataDir;
  const isOwners = inPlace && takeover === undefined;
  // A new host gets its secret files, and its server, only when it is prepared.
  if (inPlace) await checkPlace(openDatabase(deps, database), { each, isPrepared: isOwners });
  else await each(() => checkTarget(dataDir, deps.config));
  const replaces = isOwners ? { replaces: { data: await readReplacedData(join(dataDir, 'wal')) } } : {};
  const plan = await makePlan(repository, manifest, { dataDir, inPlace, repository: name, ...replaces });
  const sizeBytes = plan.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
  await each(() => requireSpace(dataDir, sizeBytes));
  await putSealed(repository, key, { schema: restorePlanSchema, value: plan });
  return plan;
}

/** Fails: missing-object, truncated-object, damaged-object. */
export function readPlan(repository: Repository, key: string): Promise<RestorePlan> {
  return readOwn(repository, key, restorePlanSchema);
}

async function makePlan(
  repository: Repository,
  manifest: Manifest,
  place: Pick<RestorePlan, 'dataDir' | 'inPlace' | 'repository' | 'replaces'>,
): Promise<RestorePlan> {
  const { database, label, timeline, records, machines, instances, stateDigest, ownership } = manifest;
  const segments = await planSegments(repository, manifest);
  return { format: 1, database, label, fromTimeline: timeline, segments, records, machines, instances, stateDigest, ownership, ...place };
}

function summaryOf(plan: RestorePlan, key: string): Omit<PlannedRestore, 'warnings'> {
  const { label, repository, dataDir, fromTimeline, records, machines, instances, stateDigest } = plan;
  const extents = summariseExtents(plan.segments);
  const common = { label, repository, dataDir, fromTimeline, extents, records, machines, instances, stateDigest };
  return { ...common, planKey: key, planHash: planHashOf(plan) };
}

/** What is approved: the plan as it is stored. */
export function planHashOf(plan: RestorePlan): string {
  return createHash('sha256').update(sealObject(restorePlanSchema, plan)).digest('hex');
}
