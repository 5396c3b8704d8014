import { RstowError } from '../../core/errors/rstow-error.ts';
import { canonicalJson } from '../../core/json/canonical-json.ts';
import { createStepReader, type LifeStep, searchStep } from '../../core/recovery/life-steps.ts';
import { sameState } from '../../core/state/server-comparison.ts';
import { segmentOf, type SegmentId, type WalOffset, type WalOffsetText, walOffsetText } from '../../core/wal/wal-offset.ts';
import type { Warning } from '../../contract/result.ts';
import { openDatabase } from '../../database/database.ts';
import type { InstancePlan } from '../../formats/repository/plans.ts';
import { serverCodeOf } from '../../io/rstmdb/connection-error.ts';
import { applyEvent, createInstance, deleteInstance, getInstance, type Instance } from '../../io/rstmdb/instances.ts';
import type { RstmdbClient } from '../../io/rstmdb/rstmdb-client.ts';
import { findMachine, putMachine } from '../../io/rstmdb/server.ts';
import { sha256 } from '../../replay/replay-segments.ts';
import { partOf, readStoredLog, type StoredLog } from '../../replay/stored-log.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import type { RunPort } from '../run-port.ts';
import { findDefinition, plannedLog } from './find-instance.ts';
import { instanceExists, instancePlanHash } from './plan-instance.ts';

type ApplyInstanceInput = { database: string; repository: string; planKey: string };

type AppliedInstance = { /** Where its newest record begins in the server's log. */ lastOffset: WalOffsetText; warnings: Warning[] };

/**
 * Brings a planned instance back: creates it, and applies its events again, as the stored log has them. Each answer is compared with
 * the log, and what came of it. A replay that the server refuses is taken back. Nothing that was there before is touched, and nothing
 * that somebody else writes meanwhile. Fails: signature-refused, owner-outdated, cancelled, instance-exists, replay-refused,
 * server-unreachable, server-refused, missing-object, truncated-object, damaged-object, repository-unavailable, temporal-unreachable.
 * Twice: goes on behind the last step that the server has.
 */
export const applyInstance =
  (deps: ActivityDeps) =>
  async ({ database, repository, planKey }: ApplyInstanceInput, run: RunPort): Promise<AppliedInstance> => {
    const store = await deps.openStore(database, repository);
    const plan = await store.plans.instance.read(planKey);
    await requireAuthority(deps, run, { database, planHash: instancePlanHash(plan) });
    await store.owner.require();
    await run.checkOpen();
    const log = await plannedLog(store, plan);
    const { server } = openDatabase(deps, database);
    return server.ask((client) => bringBack({ store, log, plan, client, run }), { signal: run.signal });
  };

type Work = { store: Store; log: StoredLog; plan: InstancePlan; client: RstmdbClient; run: RunPort };

/** How far the instance has come, and where its newest record begins. */
type Reached = { index: number; offset: WalOffset };

const NOTHING: Reached = { index: -1, offset: 0n as WalOffset };

async function bringBack(work: Work): Promise<AppliedInstance> {
  const { store, plan, client, run } = work;
  const live = await getInstance(client, plan.instance);
  const begun = await store.plans.replayBegun.find(run.runId);
  if (live === undefined) {
    // From here on, an instance that is found may be what an earlier attempt has left.
    await store.plans.replayBegun.keep(run.runId, { format: 1, instance: plan.instance });
    await putMissingMachine(work);
    return replay(work, NOTHING);
  }
  if (begun === undefined) throw instanceExists(plan, live);
  return replay(work, await reachedBefore(work, live));
}

async function putMissingMachine({ log, plan, client, run }: Work): Promise<void> {
  const { machine, version } = plan;
  if ((await findMachine(client, { machine, version })) !== undefined) return;
  const definitionText = await findDefinition(log, plan, run);
  if (definitionText !== undefined) await putMachine(client, { machine, version, definitionText });
}

/** Fails: instance-exists, where this is no state of the replay. */
async function reachedBefore(work: Work, live: Instance): Promise<Reached> {
  const { plan } = work;
  const search = searchStep({ state: live.state, ctx: canonicalJson(live.ctxText) });
  await readSteps(work, async (step) => search.see(step));
  const index = search.found();
  const isOfMachine = live.machine === plan.machine && live.version === plan.version;
  if (index === undefined || !isOfMachine) throw instanceExists(plan, live);
  return { index, offset: live.lastWalOffset };
}

/** Reads the steps from the repository, where alone they stand; `take` is waited for, so that memory holds a few of them. */
async function readSteps({ log, plan, run }: Work, take: (step: LifeStep) => Promise<void>): Promise<void> {
  const read = createStepReader(plan.instance, plan.createdAt);
  const found: LifeStep[] = [];
  const takeFound = async (): Promise<void> => {
    for (const step of found.splice(0)) await take(step);
  };
  const see = (segment: SegmentId, record: { startBytes: number; payload: Uint8Array }): void => {
    const step = read(segment, record);
    if (step !== undefined) found.push(step);
  };
  await readStoredLog(partOf(log, { from: { segment: segmentOf(plan.createdAt), endBytes: 0 } }), { see, afterChunk: takeFound }, run);
  await takeFound();
}

async function replay(work: Work, from: Reached): Promise<AppliedInstance> {
  const { plan } = work;
  let reached = from;
  let last: LifeStep | undefined;
  await readSteps(work, async (step) => {
    if (step.index > from.index) reached = { index: step.index, offset: await carryOut(work, step, reached) };
    last = step;
  });
  if (last?.index !== plan.events || sha256([last.after.ctx]) !== plan.ctxSha256) {
    const sentence = `the stored log has another life of instance "${plan.instance}" than was planned`;
    throw new RstowError('damaged-object', sentence, { details: { database: plan.database, label: plan.label } });
  }
  return compared(work, last, reached);
}

/** Gives where the step's record begins. Fails: instance-exists, replay-refused. */
async function carryOut(work: Work, step: LifeStep, reached: Reached): Promise<WalOffset> {
  const { plan, client } = work;
  const { instance, machine, version } = plan;
  const { event, eventId, dataText } = step;
  if (event === undefined) {
    try {
      return await createInstance(client, { id: instance, machine, version, ctxText: dataText });
    } catch (error) {
      throw serverCodeOf(error) === 'INSTANCE_EXISTS' ? instanceExists(plan, undefined) : error;
    }
  }
  try {
    // Never with the idempotency key of then: a server that still knows it would answer without doing anything.
    const application = { instanceId: instance, event, payloadText: dataText, eventId, expectedOffset: reached.offset };
    const { toState, offset } = await applyEvent(client, application);
    if (toState === step.after.state) return offset;
    throw await takenBack(work, { step, offset, why: `it leads to state "${toState}" now, and led to "${step.after.state}" then` });
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'server-refused') throw error;
    throw await takenBack(work, { step, offset: reached.offset, why: error.message });
  }
}

type Refused = { step: LifeStep; /** Of the last record that the replay has written. */ offset: WalOffset; why: string };

/** Nobody should meet an instance in the middle of a life that it was past: it is deleted, unless somebody else has written to it. */
async function takenBack({ plan, client }: Work, { step, offset, why }: Refused): Promise<RstowError> {
  const { database, instance, events } = plan;
  const live = await getInstance(client, instance);
  const isOwn = live?.lastWalOffset === offset;
  if (isOwn) await deleteInstance(client, instance);
  const state = live?.state ?? '';
  const fate = isOwn
    ? 'what had been created of it was deleted again'
    : live === undefined
      ? 'somebody else has deleted it meanwhile'
      : `somebody else has written to it meanwhile, so it was left, in state "${state}"`;
  const at = step.event === undefined ? 'its creation' : `event ${step.index} of ${events}, ${step.event}`;
  return new RstowError('replay-refused', `instance "${instance}" can't be brought back: at ${at}, ${why}; ${fate}`, {
    details: { database, instance, event: step.event ?? null, eventNumber: step.index, isThere: live !== undefined && !isOwn },
  });
}

/** Holds what the server has now against the log. Fails: replay-refused. */
async function compared(work: Work, last: LifeStep, { offset }: Reached): Promise<AppliedInstance> {
  const { plan, client } = work;
  const live = await getInstance(client, plan.instance);
  const lastOffset = walOffsetText(offset);
  if (live?.lastWalOffset !== offset) {
    const message = `somebody has written to instance "${plan.instance}" before it could be compared: all its events had been applied by then`;
    return { lastOffset, warnings: [{ code: 'written-meanwhile', message }] };
  }
  const isSame = live.state === last.after.state && sameState(last.after.ctx, canonicalJson(live.ctxText));
  if (isSame) return { lastOffset, warnings: [] };
  throw await takenBack(work, { step: last, offset, why: 'the server shows another state or context than the log' });
}
