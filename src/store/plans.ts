import { planKey, plansPrefix, runOfPlanKey } from '../core/repository/object-keys.ts';
import {
  type Fence,
  fenceSchema,
  type Healing,
  healingSchema,
  type InstancePlan,
  instancePlanSchema,
  type RecoveryPoint,
  recoveryPointSchema,
  type ReplayBegun,
  replayBegunSchema,
  type RestorePlan,
  restorePlanSchema,
  type StoredExtents,
  storedExtentsSchema,
} from '../formats/repository/plans.ts';
import type { Repository } from '../io/repository/port.ts';
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
  readonly fence: PlanObjects<Fence>;
  readonly healing: PlanObjects<Healing>;
  readonly extents: PlanObjects<StoredExtents>;
  readonly point: PlanObjects<RecoveryPoint>;
  readonly instance: PlanObjects<InstancePlan>;
  readonly replayBegun: PlanObjects<ReplayBegun>;
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
    fence: objectsOf(scope, 'fence', fenceSchema),
    healing: objectsOf(scope, 'healing', healingSchema),
    extents: objectsOf(scope, 'extents', storedExtentsSchema),
    point: objectsOf(scope, 'point', recoveryPointSchema),
    instance: objectsOf(scope, 'instance', instancePlanSchema),
    replayBegun: objectsOf(scope, 'replay-begun', replayBegunSchema),
    restore: (attempt) => objectsOf(scope, attempt === undefined ? 'restore' : `restore-${attempt}`, restorePlanSchema),
    runs: () => plannedRuns(scope),
    forget: (keys) => scope.repository.deleteMany(keys),
  };
}

function objectsOf<Plan>({ repository, database }: Scope, name: string, schema: SealedSchema<Plan>): PlanObjects<Plan> {
  const keyOf = (runId: string): string => planKey(database, runId, name);
  return {
    keyOf,
    keep: async (runId, plan) => {
      const key = keyOf(runId);
      if ((await putSealed(repository, key, { schema, value: plan })) === 'stored') return { key, plan };
      return { key, plan: await readOwn(repository, key, schema) };
    },
    find: (runId) => readSealed(repository, keyOf(runId), schema),
    read: (key) => readOwn(repository, key, schema),
    ofRun: (runId) => readOwn(repository, keyOf(runId), schema),
  };
}

async function plannedRuns({ repository, database }: Scope): Promise<PlannedRun[]> {
  const byRun = new Map<string, PlannedRun>();
  for await (const { key, modifiedAtMs } of repository.list(plansPrefix(database))) {
    const runId = runOfPlanKey(key);
    if (runId === undefined) continue;
    const { keys, leftAtMs } = byRun.get(runId) ?? { keys: [], leftAtMs: 0 };
    byRun.set(runId, { runId, keys: [...keys, key], leftAtMs: Math.max(leftAtMs, modifiedAtMs) });
  }
  return [...byRun.values()];
}
