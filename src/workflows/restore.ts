import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRestore, PlanRestoreInput } from '../activities/restore/plan-restore.ts';
import { type DataSummary, replacesText } from '../contract/data-summary.ts';
import { historyUnnoted, type RestoreInput, type RestoreResult } from '../contract/restore.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { assert, RstowError, sentenceOf } from '../core/errors/rstow-error.ts';
import { namingAlternative } from './alternative.ts';
import type { Engine } from './engine.ts';
import { firstBackup } from './hot-backup.ts';
import { carryOver, clearStaged, fetchPlanned, planRestore, rehearse, storeReplaced, swapInPlace } from './restore-steps.ts';

const LOCK_WAIT_MS = 600_000;
const LOCK_POLL_MS = 5_000;

/** Full recovery to a backup: in place, or to another directory. Nothing is replaced before its successor is proved. */
export async function restore(input: RestoreInput, engine: Engine): Promise<RestoreResult> {
  const { database, backup, repository, to, dryRun } = input;
  const place = await placeOfRestore(engine, input);
  const wanted = { database, backup, repository };
  return namingAlternative(engine, { place, wanted }, () =>
    recover({ engine, place, input }, { ...wanted, dryRun, toDataDir: to?.dataDir }),
  );
}

/** What every recovery to a stored state takes, whatever says which state. */
export type Recovery = Pick<RestoreInput, 'database' | 'to' | 'dryRun' | 'discardNewer' | 'requestedBy'>;

/** The owner's host, or that of another directory. */
export async function placeOfRestore(engine: Engine, { database, to }: Pick<Recovery, 'database' | 'to'>): Promise<Place> {
  engine.phase('looking for the agent', `an agent that serves ${database}`);
  const place = await (to?.agent === undefined ? engine.places.owner(database) : engine.places.agent(to.agent, database));
  engine.placed(place);
  return place;
}

const REBASE_CONSEQUENCE = 'nothing is lost: the server is stopped, and started again on a shorter log';

type Asked = { engine: Engine; place: Place; input: Recovery };

/**
 * Nobody else is kept waiting while a person thinks: what was approved is held against the database once the lock is
 * had, and a plan that doesn't stand any more is refused, never made anew.
 */
export async function recover({ engine, place, input }: Asked, wanted: PlanRestoreInput): Promise<RestoreResult> {
  const { database, to, dryRun } = input;
  engine.phase('planning');
  const plan = await planRestore(engine, place, wanted);
  if (to !== undefined) {
    if (dryRun === true) return resultOf(engine, place, { plan, dryRun, timeline: plan.fromTimeline });
    return carryOutCleanly(input, { engine, place, plan });
  }
  engine.phase('checking what the restore replaces');
  const replaces = await engine.surveys(place).surveyData({ database });
  if (dryRun === true) return resultOf(engine, place, { plan, replaces, dryRun });
  const locked = (): Promise<RestoreResult> =>
    engine.exclusiveFirst(place, async () => {
      engine.phase('checking whether the plan still holds');
      const { planHash } = await planRestore(engine, place, { ...wanted, repository: plan.repository });
      assert(planHash === plan.planHash, 'a plan that stands is the one that was made first');
      return carryOutCleanly(input, { engine, place, plan, replaces, isRebase: wanted.isRebase });
    });
  const consequence = wanted.isRebase === true ? REBASE_CONSEQUENCE : replacesText(replaces, plan.instances);
  const agreement = { place, input, plan, consequence };
  return engine.agreed(agreement, (wasAsked) => (wasAsked ? onceFree(engine, locked) : locked()));
}

/** An approval is a person's time: another run that is at work just then must not waste it. Fails: busy. */
export async function onceFree<T>(engine: Engine, locked: () => Promise<T>): Promise<T> {
  for (const untilMs = engine.now() + LOCK_WAIT_MS; ;) {
    try {
      return await locked();
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'busy' || engine.now() >= untilMs) throw error;
      engine.phase('waiting for the database’s lock', error.message);
      await engine.sleep(LOCK_POLL_MS);
    }
  }
}

type Work = { engine: Engine; place: Place; plan: PlannedRestore; replaces?: DataSummary | null; isRebase?: boolean | undefined };

async function carryOutCleanly(input: Recovery, work: Work): Promise<RestoreResult> {
  const { engine, place, plan } = work;
  try {
    return await carryOut(input, work);
  } finally {
    await clearStaged(engine, place, plan);
  }
}

async function carryOut(input: Recovery, { engine, place, plan, replaces = null, isRebase }: Work): Promise<RestoreResult> {
  const { repository, planKey, planHash } = plan;
  const tail = { repository, startedAtMs: engine.now(), isRequired: input.discardNewer !== true };
  // A repository that can't take it is known before anything is fetched.
  if (input.to === undefined) await storeReplaced(engine, place, tail);
  const { timeline, baselineBytes, served, warnings: staged } = await fetchPlanned(engine, { plan, verbs: engine.transfers(place) });
  const { rehearsal, warnings: rehearsed } = await rehearse(engine, place, plan);
  const warnings = [...staged, ...rehearsed];
  if (input.to === undefined) {
    if (isRebase === true) await carryOver(engine, place, plan);
    const swapped = await swapInPlace(engine, place, { repository, planKey, planHash, tail, isRebase });
    const unnoted = await noteHistory(engine, place, timeline);
    const first = await firstBackup(engine, place, repository);
    const all = [...warnings, ...swapped.warnings, ...unnoted, ...first.warnings];
    const baseline = plan.baseline === undefined ? undefined : { ...plan.baseline, sizeBytes: baselineBytes };
    return resultOf(engine, place, { plan, timeline, baseline, served, rehearsal, replaces, ...swapped, ...first, warnings: all });
  }
  engine.phase('placing');
  await engine.steps(place).placeElsewhere({ database: engine.database, repository, planKey });
  return resultOf(engine, place, { plan, timeline, served, rehearsal, warnings });
}

/**
 * Says in the repository which timeline the database goes on with: until the new history has a backup, nothing else does.
 * Also after a cancellation; a failure is a warning, for the data are in place by now.
 */
async function noteHistory(engine: Engine, place: Place, timeline: string): Promise<Warning[]> {
  const { database } = engine;
  try {
    await engine.uninterrupted(() => engine.steps(place).noteHistory({ database, timeline }));
    return [];
  } catch (error) {
    return [historyUnnoted(timeline, error instanceof RstowError ? sentenceOf(error) : String(error))];
  }
}

type Facts = Partial<RestoreResult> & { plan: PlannedRestore; warnings?: Warning[] };

function resultOf(engine: Engine, place: Place, { plan, warnings: found = [], ...facts }: Facts): RestoreResult {
  const { warnings: planned, approval: _policy, lackingInPlace: _lacking, ...summary } = plan;
  const warnings = [...planned, ...found];
  const { runId, database } = engine;
  const durationMs = engine.now() - engine.startedAtMs;
  return { outcome: outcomeOf(warnings), runId, database, warnings, ...summary, agent: place.agent, ...facts, durationMs };
}
