import type { Warning } from '../../contract/result.ts';
import { orderBackups, type TimelineNode } from '../../core/backup/history.ts';
import { isFaultOfRepository } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Manifest } from '../../formats/repository/manifest.ts';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import { positionOf } from '../../store/manifests.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';

type Wanted = {
  database: string;
  repository?: string | undefined;
  /** `latest`, a label, or a label's unique beginning. */ backup: string;
};

export type FoundBackup = { store: Store; manifest: Manifest; /** Which repositories were passed over, and why. */ warnings: Warning[] };

/**
 * The backup that a person means, in the named repository; if none is named, in the nearest that has it. What is latest is asked of all of
 * them: one that was away has missed the newest. Fails: backup-not-found, damaged-object, format-unsupported, unknown-repository; as the
 * first of them, if none has it.
 */
export async function findBackup(deps: ActivityDeps, { database, repository, backup }: Wanted): Promise<FoundBackup> {
  if (repository !== undefined) {
    const store = await deps.openStore(database, repository);
    return { store, manifest: await store.backups.find(backup), warnings: [] };
  }
  const found: Found[] = [];
  const passedOver: { name: string; error: RstowError }[] = [];
  for (const name of deps.catalogueOf(database).names) {
    if (found.length > 0 && backup !== 'latest') break;
    try {
      const store = await deps.openStore(database, name);
      found.push({ store, manifest: await store.backups.find(backup) });
    } catch (error) {
      if (!(error instanceof RstowError) || !isWorthAnother(error)) throw error;
      passedOver.push({ name, error });
    }
  }
  const newest = found.length > 1 ? await newestOf(deps, database, found) : found[0];
  if (newest === undefined) throw (passedOver[0] as (typeof passedOver)[number]).error;
  const faults = passedOver.filter(({ error }) => error.code !== 'backup-not-found');
  return { ...newest, warnings: faults.map(({ name, error }) => passedOverWarning(name, newest.store.name, error)) };
}

function isWorthAnother({ code }: RstowError): boolean {
  return code === 'backup-not-found' || isFaultOfRepository(code);
}

export function passedOverWarning(name: string, taken: string, { code, message }: RstowError): Warning {
  return { code, message: `repository ${name} was passed over, and ${taken} taken instead: ${message}` };
}

type Found = Pick<FoundBackup, 'store' | 'manifest'>;

/** By the order of the log; of equal ones the nearest. */
async function newestOf(deps: ActivityDeps, database: string, found: readonly Found[]): Promise<Found | undefined> {
  const timelines = new Map<string, TimelineNode>();
  for (const { store } of found) {
    for (const [id, timeline] of await store.timelines.all()) if (!timelines.has(id)) timelines.set(id, timeline);
  }
  const { owner } = await deps.catalogueOf(database).owner.find();
  const positions = found.map((one) => ({ ...positionOf(one.manifest), one }));
  return orderBackups(positions, timelines, owner?.timeline)[0]?.one;
}

type Kept = { database: string; takeover?: { attempt: number }; runId: string };

/** What an earlier attempt of the run has decided, wherever that lies. */
export async function keptPlan(
  deps: ActivityDeps,
  { database, takeover, runId }: Kept,
): Promise<{ store: Store; plan: RestorePlan } | undefined> {
  const { answers } = await deps.catalogueOf(database).eachOfSome((store) => store.plans.restore(takeover?.attempt).find(runId));
  for (const { store, found: plan } of answers) if (plan !== undefined) return { store, plan };
  return undefined;
}

/** Keeps a plan in the other repositories as well, as far as they answer: the one that is read from may go away. Twice: no-op. */
export async function keepEverywhere(deps: ActivityDeps, plan: RestorePlan, { takeover, runId }: Omit<Kept, 'database'>): Promise<void> {
  const catalogue = deps.catalogueOf(plan.database);
  if (catalogue.names.length === 1) return;
  await catalogue.each(async (store) => {
    if (store.name !== plan.repository) await store.plans.restore(takeover?.attempt).keep(runId, plan);
  });
}

/** Where the plan of a run lies. */
export type PlanInput = { database: string; repository: string; planKey: string };

/** From another repository, if its own is away. Fails: missing-object, truncated-object, damaged-object, repository-unavailable. */
export async function readPlan(
  deps: Pick<ActivityDeps, 'openStore' | 'catalogueOf'>,
  { database, repository, planKey }: PlanInput,
): Promise<RestorePlan> {
  try {
    return await (await deps.openStore(database, repository)).plans.restore().read(planKey);
  } catch (error) {
    if (!(error instanceof RstowError) || !isFaultOfRepository(error.code)) throw error;
    const { answers } = await deps.catalogueOf(database).each(({ plans }) => plans.restore().read(planKey));
    if (answers[0] === undefined) throw error;
    return answers[0].found;
  }
}
