import type { InstanceSummary } from '../../contract/recover-instance.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { canonicalJson, topLevelMembers } from '../../core/json/canonical-json.ts';
import { normaliseDefinition } from '../../core/state/log-entry.ts';
import { sameState } from '../../core/state/server-comparison.ts';
import { parseWalOffset, positionBytesOf, segmentOf, type WalOffset, walOffsetText } from '../../core/wal/wal-offset.ts';
import { openDatabase } from '../../database/database.ts';
import { type InstancePlan, instancePlanSchema } from '../../formats/repository/plans.ts';
import { sealOf } from '../../io/repository/sealed-object.ts';
import { getInstance, type Instance } from '../../io/rstmdb/instances.ts';
import { findMachine } from '../../io/rstmdb/server.ts';
import { sha256 } from '../../replay/replay-segments.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { offsetText } from '../recovery-point/stored-history.ts';
import type { Refusals } from '../restore/restore-target.ts';
import type { RunPort } from '../run-port.ts';
import { findDefinition, findInstance, type FoundInstance, plannedLog, type WantedInstance } from './find-instance.ts';

type PlanInstanceInput = WantedInstance & {
  database: string;
  repository?: string | undefined;
  /** What keeps the instance from being brought back is then said in the plan's warnings, and fails nothing. */
  dryRun?: boolean | undefined;
};

export type PlannedInstance = InstanceSummary & {
  /** Whether the server has the instance already, just so. */
  isThere: boolean;
  warnings: Warning[];
  /** Present where the config wants another person's agreement for some workflows. */
  approval?: { for: string[]; expiresMs: number } | undefined;
};

/**
 * Finds an instance at a point, and decides how it is brought back into its running server: it is created as it was then, and takes
 * the same events again. Fails: as finding it does; owner-outdated, instance-exists, instance-not-replayable, server-unreachable,
 * server-refused. Twice: the first plan; the server is asked again.
 */
export const planInstance =
  (deps: ActivityDeps) =>
  async (input: PlanInstanceInput, run: RunPort): Promise<PlannedInstance> => {
    const { server, settings } = openDatabase(deps, input.database);
    const store = await deps.openStore(input.database, input.repository);
    await store.owner.require();
    const warnings: Warning[] = [];
    const each: Refusals = input.dryRun === true ? (check) => check().catch(asWarning(warnings)) : (check) => check();
    const found = (await store.plans.instance.find(run.runId)) ?? planOf(store, await findInstance(store, input, run));
    const { key: planKey, plan } = await store.plans.instance.keep(run.runId, found);
    const definition = await findDefinition(await plannedLog(store, plan), plan, run);
    const seen = await server.ask(
      async (client): Promise<Seen> => ({
        live: await getInstance(client, plan.instance),
        liveDefinition: (await findMachine(client, plan))?.definitionText,
      }),
      { signal: run.signal },
    );
    const isThere = seen.live !== undefined && isAsPlanned(seen.live, plan);
    if (!isThere) await requireReplayable(plan, { ...seen, definition }, each);
    const putsMachine = seen.liveDefinition === undefined;
    const { approval } = settings;
    return { ...summaryOf(plan), putsMachine, planKey, planHash: instancePlanHash(plan), isThere, warnings, approval };
  };

function asWarning(warnings: Warning[]): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof RstowError)) throw error;
    warnings.push({ code: error.code, message: `it would be refused: ${error.message}` });
  };
}

function planOf({ database }: Store, found: FoundInstance): InstancePlan {
  const { repository, label, timeline, segments, id, machine, version, created, events, state, ctx } = found;
  const end = parseWalOffset(found.end) as WalOffset;
  return {
    format: 1,
    database,
    repository,
    label,
    timeline,
    segments,
    end: { segment: segmentOf(end), endBytes: positionBytesOf(end) },
    instance: id,
    machine,
    version,
    createdAt: parseWalOffset(created.offset) as WalOffset,
    initialState: created.toState ?? '',
    events,
    state,
    ctxSha256: sha256([ctx]),
  };
}

/** What is approved: the plan, by the SHA-256 that its object has. */
export function instancePlanHash(plan: InstancePlan): string {
  return sealOf({ schema: instancePlanSchema, value: plan });
}

function summaryOf(plan: InstancePlan): Omit<InstanceSummary, 'putsMachine' | 'planKey' | 'planHash'> {
  const { instance, machine, version, state, ctxSha256, events, createdAt, repository, label, timeline, end } = plan;
  const place = { createdAt: walOffsetText(createdAt), repository, label, timeline, end: offsetText(end) };
  return { instance, machine, version, state, ctxSha256, events, ...place };
}

function isAsPlanned({ machine, version, state, ctxText }: Instance, plan: InstancePlan): boolean {
  const isSame = machine === plan.machine && version === plan.version && state === plan.state;
  return isSame && sha256([canonicalJson(ctxText)]) === plan.ctxSha256;
}

export function instanceExists({ database, instance, state }: InstancePlan, live: Instance | undefined): RstowError {
  const now = live === undefined ? '' : `, in state "${live.state}"`;
  const sentence = `instance "${instance}" is there already${now}; at the point its state was "${state}"`;
  return new RstowError('instance-exists', sentence, { details: { database, instance } });
}

type Seen = { live: Instance | undefined; /** As the server has it. */ liveDefinition: string | undefined };
type Known = Seen & { /** As the log has it. */ definition: string | undefined };

/** Fails: instance-exists, instance-not-replayable. */
async function requireReplayable(plan: InstancePlan, { live, liveDefinition, definition }: Known, each: Refusals): Promise<void> {
  await each(async () => {
    if (live !== undefined) throw instanceExists(plan, live);
  });
  await each(async () => {
    const machine = `machine ${plan.machine}/${plan.version}`;
    const logged = definition === undefined ? undefined : normaliseDefinition(definition);
    const present = liveDefinition === undefined ? logged : normaliseDefinition(liveDefinition);
    if (present === undefined) throw notReplayable(plan, `neither the server nor the stored log has ${machine}`);
    if (logged !== undefined && !sameState(logged, present)) throw notReplayable(plan, `the server has another ${machine} than the log`);
    const initial: unknown = JSON.parse(topLevelMembers(present).get('initial') ?? 'null');
    if (initial === plan.initialState) return;
    throw notReplayable(
      plan,
      `it begins in state "${plan.initialState}", and the server creates instances of ${machine} in "${String(initial)}"`,
    );
  });
}

function notReplayable({ database, instance }: InstancePlan, why: string): RstowError {
  const sentence = `instance "${instance}" can't be brought back by requests to its server: ${why}`;
  return new RstowError('instance-not-replayable', sentence, { details: { database, instance } });
}
