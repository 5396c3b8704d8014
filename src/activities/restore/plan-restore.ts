import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { AgentConfig, DatabaseConfig } from '../../config/agent-config.ts';
import type { Manifest } from '../../config/repository-json/manifest.ts';
import { type RestorePlan, restorePlanSchema } from '../../config/repository-json/restore-plan.ts';
import type { RestoreSummary } from '../../contract/restore.ts';
import type { Warning } from '../../contract/result.ts';
import { summariseExtents } from '../../core/backup/extents-summary.ts';
import { assert } from '../../core/errors/assert.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { planKey } from '../../core/repository/object-keys.ts';
import { checkDataDirectory } from '../../io/data-directory/layout.ts';
import { isEmptyFolder } from '../../io/data-directory/target.ts';
import type { Repository } from '../../io/repository/repository.ts';
import { putSealed, readSealed, sealObject } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { databaseSettings, repositoryName } from '../database-settings.ts';
import type { RunPort } from '../run-port.ts';
import { requireReadableSecrets } from '../server/managed-service.ts';
import { findBackup } from '../stored/backups.ts';
import { requireOwner } from '../stored/ownership.ts';
import { planSegments } from '../stored/planned-segments.ts';
import { readReplacedData, requireOnlyGrown } from './replaced-data.ts';
import { requireTarget } from './target-rules.ts';
import { requireSpace } from './space.ts';

export type PlanRestoreInput = {
  database: string;
  repository?: string;
  backup: string;
  toDataDir?: string;
  /** A recovery that is about to take the database over: it isn't the owner yet, and may try one backup after another. */
  takeover?: { attempt: number };
};
export type PlannedRestore = Omit<RestoreSummary, 'timeline' | 'agent'> & {
  warnings: Warning[];
  /** Present where the config wants another person's agreement for some workflows. */
  approval?: { for: string[]; expiresMs: number };
};

/**
 * Decides what a restore will do, before anything is touched: the backup, a cover of stored pieces, the place, the
 * space. The plan is an object of its own. Fails: backup-not-found, missing-object, damaged-object, wal-gap,
 * service-unmanaged, data-directory-unsupported, data-directory-replaced, target-not-empty, target-not-allowed, not-enough-space,
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
    const plan = (await standingPlan(repository, key, settings)) ?? (await newPlan(deps, { input, repository, name, key }));
    return { ...summaryOf(plan, key), ...(approval === undefined ? {} : { approval }) };
  };

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

type NewPlan = { input: PlanRestoreInput; repository: Repository; name: string; key: string };

async function newPlan(deps: ActivityDeps, { input, repository, name, key }: NewPlan): Promise<RestorePlan> {
  const { database, takeover } = input;
  const settings = databaseSettings(deps.config, database);
  const inPlace = input.toDataDir === undefined;
  const manifest = await findBackup(deps, { repository, database }, input.backup);
  requireRestorable(manifest);
  const dataDir = input.toDataDir ?? settings.dataDir;
  if (inPlace) await checkPlace(deps.config, database);
  else await checkTarget(dataDir, deps.config);
  const isOwners = inPlace && takeover === undefined;
  // A new host gets its secret files only when it is prepared.
  if (isOwners) await requireReadableSecrets(settings, deps.config.timing);
  const replaces = isOwners ? { replaces: { data: await readReplacedData(join(dataDir, 'wal')) } } : {};
  const plan = await makePlan(repository, manifest, { dataDir, inPlace, repository: name, ...replaces });
  const sizeBytes = plan.segments.reduce((sum, segment) => sum + segment.endBytes, 0);
  await requireSpace(dataDir, sizeBytes);
  await putSealed(repository, key, { schema: restorePlanSchema, value: plan });
  return plan;
}

/** Fails: damaged-object. */
export async function readPlan(repository: Repository, key: string): Promise<RestorePlan> {
  const plan = await readSealed(repository, key, restorePlanSchema);
  assert(plan !== undefined, 'the plan was stored before the step that follows it');
  return plan;
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

function summaryOf(plan: RestorePlan, key: string): PlannedRestore {
  const { label, repository, dataDir, fromTimeline, records, machines, instances, stateDigest } = plan;
  const extents = summariseExtents(plan.segments);
  const common = { label, repository, dataDir, fromTimeline, extents, records, machines, instances, stateDigest };
  return { ...common, planKey: key, planHash: planHashOf(plan), warnings: [] };
}

/** What is approved: the plan as it is stored. */
export function planHashOf(plan: RestorePlan): string {
  return createHash('sha256').update(sealObject(restorePlanSchema, plan)).digest('hex');
}

/** Fails: wal-gap, where a server could not start from this backup with everything in it. */
export function requireRestorable(manifest: Manifest): void {
  if (manifest.restorable !== 'no') return;
  throw new RstowError('wal-gap', `backup ${manifest.label} does not hold the whole log: compaction had deleted its beginning`, {
    details: { label: manifest.label },
  });
}

/** Fails: service-unmanaged, data-directory-unsupported. */
async function checkPlace(config: AgentConfig, database: string): Promise<void> {
  const { service, dataDir } = databaseSettings(config, database);
  if (service.kind === 'none') {
    throw new RstowError('service-unmanaged', `no service is configured for database "${database}", so rstow can't stop its server`);
  }
  const layout = await checkDataDirectory(dataDir);
  if (layout.kind !== 'wal-unsupported') return;
  throw new RstowError('data-directory-unsupported', `${layout.path} is a ${layout.why}, so wal/ can't be swapped by a rename`, {
    details: { path: layout.path, why: layout.why },
  });
}

/** Fails: target-not-empty, target-not-allowed, invalid-input, where the target is a database's own directory. */
async function checkTarget(dataDir: string, config: AgentConfig): Promise<void> {
  const live = Object.entries(config.databases).find(([, settings]) => settings.dataDir === dataDir);
  if (live !== undefined) {
    throw new RstowError(
      'invalid-input',
      `field "to.dataDir" is the data directory of database "${live[0]}"; leave "to" out to restore in place`,
    );
  }
  await requireTarget(config, dataDir);
  if (await isEmptyFolder(dataDir)) return;
  throw new RstowError('target-not-empty', `${dataDir} is not an empty folder`, { details: { dataDir } });
}
