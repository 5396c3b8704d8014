import { planKey, plansPrefix, runOfPlanKey } from '../core/repository/object-keys.ts';
import {
  expiryPlanSchema,
  type Fence,
  fenceSchema,
  type Healing,
  healingSchema,
  type ImportedLog,
  importedLogSchema,
  type InstancePlan,
  instancePlanSchema,
  type RecoveryPoint,
  recoveryPointSchema,
  type ReplayBegun,
  replayBegunSchema,
  type RescuePlan,
  rescuePlanSchema,
  type RestorePlan,
  restorePlanSchema,
  type RotatedObjects,
  rotatedObjectsSchema,
  type StoredExpiryPlan,
  type StoredExtents,
  storedExtentsSchema,
} from '../formats/repository/plans.ts';
import type { Repository } from '../io/repository/port.ts';
import { remembered } from '../io/repository/wrap/recall.ts';
import { putSealed, readOwn, readSealed, type SealedSchema } from '../io/repository/sealed-object.ts';

/** What a run has decided and not forgotten: a retry finds the first decision. Only keys travel. */
export type PlanObjects<Plan> = {
  keyOf(runId: string): string;
  /** Keeps a decision. Gives the one that stands. Twice: the first one. Fails: object-too-large. */
  keep(runId: string, plan: Plan): Promise<{ key: string; plan: Plan }>;
  /** Undefined if the run has decided nothing yet. */
  find(runId: string): Promise<Plan | undefined>;
  /** Fails: missing-object, truncated-object, damaged-object. */
  read(key: string): Promise<Plan>;
  /** The run's own. Fails: missing-object, truncated-object, damaged-object. */
  ofRun(runId: string): Promise<Plan>;
};

/** What a run has left; `leftAtMs` is the newest of it (Unix ms, by the repository's clock). */
export type PlannedRun = { runId: string; keys: string[]; leftAtMs: number };

export type Plans = {
  /** `timeline`: a run may back up one history after another. */
  fence(timeline?: string): PlanObjects<Fence>;
  healing(timeline: string): PlanObjects<Healing>;
  extents(timeline?: string): PlanObjects<StoredExtents>;
  readonly imported: PlanObjects<ImportedLog>;
  readonly rescue: PlanObjects<RescuePlan>;
  readonly point: PlanObjects<RecoveryPoint>;
  readonly instance: PlanObjects<InstancePlan>;
  readonly replayBegun: PlanObjects<ReplayBegun>;
  /** Of one batch of a rotation. */
  rotated(batch: number): PlanObjects<RotatedObjects>;
  readonly expiry: PlanObjects<StoredExpiryPlan>;
  /** `attempt`: of a run that plans one restore after another. */
  restore(attempt?: number): PlanObjects<RestorePlan>;
  /** The runs that have left plans here. */
  runs(): Promise<PlannedRun[]>;
  /** Deletes what an ended run has left. Twice: no-op. */
  forget(keys: readonly string[]): Promise<void>;
};

type Scope = { repository: Repository; database: string };

export function plansOf(scope: Scope): Plans {
  return {
    fence: (timeline = '') => objectsOf(scope, `fence-${timeline}`, fenceSchema),
    healing: (timeline) => objectsOf(scope, `healing-${timeline}`, healingSchema),
    extents: (timeline = '') => objectsOf(scope, `extents-${timeline}`, storedExtentsSchema),
    imported: objectsOf(scope, 'imported', importedLogSchema),
    rescue: objectsOf(scope, 'rescue', rescuePlanSchema),
    point: objectsOf(scope, 'point', recoveryPointSchema),
    instance: objectsOf(scope, 'instance', instancePlanSchema),
    replayBegun: objectsOf(scope, 'replay-begun', replayBegunSchema),
    rotated: (batch) => objectsOf(scope, `rotated-${batch}`, rotatedObjectsSchema),
    expiry: objectsOf(scope, 'expiry', expiryPlanSchema),
    restore: (attempt) => objectsOf(scope, attempt === undefined ? 'restore' : `restore-${attempt}`, restorePlanSchema),
    runs: () => plannedRuns(scope),
    forget: (keys) => scope.repository.deleteMany(keys),
  };
}

function objectsOf<Plan>({ repository, database }: Scope, name: string, schema: SealedSchema<Plan>): PlanObjects<Plan> {
  const keyOf = (runId: string): string => planKey(database, runId, name);
  const known = remembered(repository);
  return {
    keyOf,
    keep: async (runId, plan) => {
      const key = keyOf(runId);
      if ((await putSealed(repository, key, { schema, value: plan })) === 'stored') return { key, plan };
      return { key, plan: await readOwn(known, key, schema) };
    },
    find: async (runId) => ((await mayBeThere(repository, keyOf(runId))) ? readSealed(known, keyOf(runId), schema) : undefined),
    read: (key) => readOwn(known, key, schema),
    ofRun: (runId) => readOwn(known, keyOf(runId), schema),
  };
}

/** All steps of a run are this process's: it knows what it has put, since it has listed the plans the last time. */
const LISTED_MS = 3_600_000;

/** Where calls cost, questions for what isn't there are answered by one listing of the run's plans, or of all. */
async function mayBeThere(repository: Repository, key: string): Promise<boolean> {
  if (!repository.properties.callsCost) return true;
  const ofRun = key.slice(0, key.lastIndexOf('/') + 1);
  for await (const listed of repository.keys(ofRun, { recalledMs: LISTED_MS })) if (listed === key) return true;
  return false;
}

async function plannedRuns({ repository, database }: Scope): Promise<PlannedRun[]> {
  const byRun = new Map<string, PlannedRun>();
  for await (const { key, modifiedAtMs } of repository.list(plansPrefix(database), { recalledMs: 0 })) {
    const runId = runOfPlanKey(key);
    if (runId === undefined) continue;
    const { keys, leftAtMs } = byRun.get(runId) ?? { keys: [], leftAtMs: 0 };
    byRun.set(runId, { runId, keys: [...keys, key], leftAtMs: Math.max(leftAtMs, modifiedAtMs) });
  }
  return [...byRun.values()];
}
