import { sleep } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRestore, PlanRestoreInput } from '../activities/restore/plan-restore.ts';
import { type DataSummary, replacesText } from '../contract/data-summary.ts';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from '../contract/restore.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { assert } from '../core/errors/assert.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { cleanup, step, survey, transfer } from './activity-proxies.ts';
import { onceAgreed } from './approval.ts';
import { withAlternative } from './alternative.ts';
import { compensate } from './compensation.ts';
import { withDatabaseLockFirst } from './database-lock.ts';
import { firstBackup } from './first-backup.ts';
import { noteHistory } from './note-history.ts';
import { placeOfAgent, placeOfDatabase } from './place.ts';
import type { Run } from './run.ts';
import { storeReplaced, swapInPlace } from './restore-in-place.ts';
import { workflow } from './workflow.ts';

const LOCK_WAIT_MS = 600_000;
const LOCK_POLL_MS = 5_000;

/** Full recovery to a backup: in place, or to another directory. Nothing is replaced before its successor is proved. */
export const restore = workflow('restore', parseRestoreInput, async (input: RestoreInput, run): Promise<RestoreResult> => {
  run.phase('looking for the agent', `an agent that serves ${input.database}`);
  const agent = input.to?.agent;
  const place = agent === undefined ? await placeOfDatabase(input.database) : await placeOfAgent(agent, input.database);
  run.placed(place);
  const { database, backup, to } = input;
  const wanted = { database, backup, ...(input.repository === undefined ? {} : { repository: input.repository }) };
  const dry = input.dryRun === true ? { dryRun: true } : {};
  run.phase('planning');
  try {
    return await recover({ run, place, input }, { ...wanted, ...dry, ...(to === undefined ? {} : { toDataDir: to.dataDir }) });
  } catch (error) {
    throw await withAlternative(place, wanted, error);
  }
});

type Asked = { run: Run; place: Place; input: RestoreInput };

/**
 * Nobody else is kept waiting while a person thinks: what was approved is held against the database once the lock is
 * had, and a plan that doesn't stand any more is refused, never made anew.
 */
async function recover({ run, place, input }: Asked, wanted: PlanRestoreInput): Promise<RestoreResult> {
  const plan = await step(place).planRestore(wanted);
  if (input.to !== undefined) {
    if (input.dryRun === true) return resultOf(run, place, { plan, dryRun: true, timeline: plan.fromTimeline });
    return carryOutCleanly(input, { run, place, plan });
  }
  run.phase('looking what the restore replaces');
  const replaces = await survey(place).surveyData({ database: input.database });
  if (input.dryRun === true) return resultOf(run, place, { plan, replaces, dryRun: true });
  const locked = (): Promise<RestoreResult> =>
    withDatabaseLockFirst(run, place, async () => {
      run.phase('looking whether the plan still stands');
      const { planHash } = await step(place).planRestore(wanted);
      assert(planHash === plan.planHash, 'a plan that stands is the one that was made first');
      return carryOutCleanly(input, { run, place, plan, replaces });
    });
  const agreement = { run, place, input, plan, consequence: replacesText(replaces, plan.instances) };
  return onceAgreed(agreement, (wasAsked) => (wasAsked ? onceFree(run, locked) : locked()));
}

/** An approval is a person's time: another restore that is at work just then must not waste it. Fails: busy. */
async function onceFree<T>(run: Run, locked: () => Promise<T>): Promise<T> {
  for (const untilMs = Date.now() + LOCK_WAIT_MS; ;) {
    try {
      return await locked();
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'busy' || Date.now() >= untilMs) throw error;
      run.phase('waiting for the database’s lock', error.message);
      await sleep(LOCK_POLL_MS);
    }
  }
}

type Work = { run: Run; place: Place; plan: PlannedRestore; replaces?: DataSummary | null };

async function carryOutCleanly(input: RestoreInput, work: Work): Promise<RestoreResult> {
  const { dataDir } = work.plan;
  try {
    return await carryOut(input, work);
  } finally {
    await compensate('clearing the staged files', () => cleanup(work.place).clearStaging({ dataDir }));
  }
}

async function carryOut(input: RestoreInput, work: Work): Promise<RestoreResult> {
  const { run, place, plan, replaces = null } = work;
  const { database, startedAtMs } = run;
  const { repository, planKey, planHash } = plan;
  const tail = { repository, startedAtMs: Date.now(), isRequired: input.discardNewer !== true };
  // A repository that can't take it is known before anything is fetched.
  if (input.to === undefined) await storeReplaced(run, place, tail);
  run.phase(`fetching ${plan.label}`);
  const { timeline, warnings: staged } = await transfer(place).stageWal({ database, repository, planKey, startedAtMs });
  run.phase('rehearsing: a real server boots on the restored files');
  const { rehearsal, warnings: rehearsed } = await transfer(place).rehearse({ database, repository, planKey });
  const warnings = [...staged, ...rehearsed];
  if (input.to === undefined) {
    const swapped = await swapInPlace(run, place, { repository, planKey, planHash, tail });
    const unnoted = await noteHistory(run, place, timeline);
    const first = await firstBackup(run, place, repository);
    const all = [...warnings, ...swapped.warnings, ...unnoted, ...first.warnings];
    return resultOf(run, place, { plan, timeline, rehearsal, replaces, ...swapped, ...first, warnings: all });
  }
  run.phase('placing');
  await step(place).placeElsewhere({ repository, planKey });
  return resultOf(run, place, { plan, timeline, rehearsal, warnings });
}

type Facts = Partial<RestoreResult> & { plan: PlannedRestore; warnings?: Warning[] };

function resultOf(run: Run, place: Place, { plan, warnings: found = [], ...facts }: Facts): RestoreResult {
  const { warnings: planned, approval: _policy, ...summary } = plan;
  const warnings = [...planned, ...found];
  const { runId, database } = run;
  const durationMs = Date.now() - run.startedAtMs;
  return { outcome: outcomeOf(warnings), runId, database, warnings, ...summary, agent: place.agent, ...facts, durationMs };
}
