import { RstowError } from '../../core/errors/rstow-error.ts';
import { selectBackup } from '../../core/backup/selection.ts';
import {
  CLOCK_TOLERANCE_MS,
  clockDoubt,
  type ExpiryPlan,
  type JudgedBackup,
  planExpiry as planned,
} from '../../core/retention/expiry-plan.ts';
import { timelinesSince } from '../../core/retention/kept-timelines.ts';
import { databaseSettings } from '../../config/agent-config.ts';
import { expiryPlanSchema } from '../../formats/repository/plans.ts';
import { sealOf } from '../../io/repository/sealed-object.ts';
import type { MarkNames } from '../../store/marks.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { checkedOf } from '../catalogue/checked.ts';
import type { PlannedRestore } from '../restore/plan-restore.ts';
import type { RunPort } from '../run-port.ts';

const DAY_MS = 86_400_000;

/** So many of each are named in a result; the plan object has all. */
const NAMED_MAX = 200;

type PlanInput = {
  database: string;
  repository?: string | undefined;
  /** By the orchestrator's clock (Unix ms). */
  nowMs: number;
  despiteClocks?: boolean | undefined;
  /** The backup that is asked about. */
  backup?: string | undefined;
};

export type PlannedExpiry = Pick<ExpiryPlan, 'keep' | 'expire'> & {
  repository: string;
  planKey: string;
  planHash: string;
  keepCount: number;
  expireCount: number;
  approval?: PlannedRestore['approval'];
  /** Of the backup that was asked about. */
  explained?: { label: string; keep?: string[] | undefined; expire?: string | undefined } | undefined;
};

/**
 * Decides which backups stay and which go, by their place in the history, and keeps that as the run's plan. Changes nothing else.
 * Fails: clock-doubtful, backup-not-found, owner-outdated, repository-unavailable. Twice: the first plan stands.
 */
export const planExpiry =
  (deps: ActivityDeps) =>
  async (input: PlanInput, run: RunPort): Promise<PlannedExpiry> => {
    const { database, nowMs } = input;
    const store = await deps.openStore(database, input.repository);
    const { timeline: inUse } = await store.owner.require();
    const marks = await store.marks.names();
    const backups = await judgedBackups(store, marks, run);
    const doubt =
      input.despiteClocks === true ? undefined : (apartText(nowMs) ?? clockDoubt(backups, nowMs) ?? (await endedText(store, nowMs)));
    if (doubt !== undefined)
      throw new RstowError('clock-doubtful', `nothing expires while the clocks disagree: ${doubt}`, { details: { database } });
    const { retention: rules, approval } = databaseSettings(deps.config, database);
    const timelines = (await store.timelines.all()).values();
    const windowTimelines = timelinesSince(timelines, inUse, nowMs - (rules.windowDays ?? 0) * DAY_MS);
    const holds = await store.retention.holds();
    const decided = planned({ backups, holds, unreadableMarks: marks.unreadable, windowTimelines, rules, nowMs });
    const value = { format: 1 as const, database, repository: store.name, plannedAtMs: nowMs, ...decided };
    const { key, plan } = await store.plans.expiry.keep(run.runId, value);
    return {
      repository: store.name,
      planKey: key,
      planHash: sealOf({ schema: expiryPlanSchema, value: plan }),
      keep: plan.keep.slice(0, NAMED_MAX),
      expire: plan.expire.slice(0, NAMED_MAX),
      keepCount: plan.keep.length,
      expireCount: plan.expire.length,
      approval,
      explained: input.backup === undefined ? undefined : explain(plan, backups, input.backup),
    };
  };

/** Two clocks that both say how old a backup is. */
function apartText(nowMs: number): string | undefined {
  const apartMs = Math.abs(Date.now() - nowMs);
  return apartMs <= CLOCK_TOLERANCE_MS ? undefined : `this host's differs from Temporal's by ${Math.round(apartMs / 1000)} s`;
}

/** Backups may be days apart: any run's end says which time it has been. */
async function endedText(store: Store, nowMs: number): Promise<string | undefined> {
  const last = (await store.runs.names()).at(-1);
  if (last === undefined || last.endedAtMs <= nowMs + CLOCK_TOLERANCE_MS) return undefined;
  return `run ${last.runId} of "${store.database}" ended at ${new Date(last.endedAtMs).toISOString()}, and now it is ${new Date(nowMs).toISOString()}`;
}

/** All backups, the newest of the history in use first. */
async function judgedBackups(store: Store, { byLabel }: MarkNames, run: RunPort): Promise<JudgedBackup[]> {
  const { backups, unplaced } = await store.backups.history();
  const marksOf = (label: string): readonly string[] => byLabel.get(label) ?? [];
  const judged: JudgedBackup[] = [];
  for (const { label, timeline, isInUse, writtenAtMs } of backups) {
    run.signal.throwIfAborted();
    const state = await store.backups.state(label);
    const common = { label, timeline, isInUse, marks: marksOf(label) };
    if (state.kind === 'unreadable') judged.push({ ...common, ...UNREADABLE, atMs: writtenAtMs });
    if (state.kind !== 'read') continue;
    const { kind, createdAtMs, restorable } = state.manifest;
    const isGoodLog = restorable !== 'no';
    judged.push({ ...common, kind, atMs: Math.max(createdAtMs, state.manifest.writtenAtMs), ...(await provenOf(store, label, isGoodLog)) });
    run.report({ doing: `judging: ${judged.length} of ${backups.length}` });
  }
  for (const label of unplaced) judged.push({ label, timeline: '', isInUse: false, marks: marksOf(label), ...UNREADABLE, atMs: 0 });
  return judged;
}

const UNREADABLE = { kind: 'hot', isGood: false, isProven: false, isUnreadable: true } as const;

async function provenOf(store: Store, label: string, isGoodLog: boolean): Promise<Pick<JudgedBackup, 'isGood' | 'isProven'>> {
  const { hasHeld, hasFailed } = await checkedOf(store, (await store.facts.byLabel()).get(label) ?? []);
  const isGood = isGoodLog && !hasFailed;
  return { isGood, isProven: isGood && hasHeld };
}

function explain(plan: Pick<ExpiryPlan, 'keep' | 'expire'>, backups: readonly JudgedBackup[], wanted: string): PlannedExpiry['explained'] {
  const label = selectBackup(backups, wanted);
  const keep = plan.keep.find((one) => one.label === label)?.why;
  return { label, keep, expire: plan.expire.find((one) => one.label === label)?.why };
}
