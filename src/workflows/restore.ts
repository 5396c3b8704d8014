import type { Place } from '../activities/locate.ts';
import type { PlannedRestore } from '../activities/plan-restore.ts';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from '../contract/restore.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { cleanup, step, transfer } from './activity-proxies.ts';
import { agreed } from './approval.ts';
import { withAlternative } from './alternative.ts';
import { compensate } from './compensation.ts';
import { withDatabaseLock } from './database-lock.ts';
import { placeOfAgent, placeOfDatabase } from './place.ts';
import type { Run } from './run.ts';
import { swapInPlace } from './restore-in-place.ts';
import { workflow } from './workflow.ts';

/** Full recovery to a backup: in place, or to another directory. Nothing is replaced before its successor is proved. */
export const restore = workflow('restore', parseRestoreInput, async (input: RestoreInput, run): Promise<RestoreResult> => {
  run.phase('looking for the agent', `an agent that serves ${input.database}`);
  const agent = input.to?.agent;
  const place = agent === undefined ? await placeOfDatabase(input.database) : await placeOfAgent(agent, input.database);
  run.placed(place);
  if (input.to !== undefined) return recover(input, run, place);
  return withDatabaseLock(run, place, () => recover(input, run, place));
});

async function recover(input: RestoreInput, run: Run, place: Place): Promise<RestoreResult> {
  const { database, backup, to } = input;
  const wanted = { database, backup, ...(input.repository === undefined ? {} : { repository: input.repository }) };
  run.phase('planning');
  try {
    const plan = await step(place).planRestore({ ...wanted, ...(to === undefined ? {} : { toDataDir: to.dataDir }) });
    if (input.dryRun === true) return resultOf(run, place, { plan, timeline: plan.fromTimeline, dryRun: true });
    if (to === undefined) await agreed(run, { plan, workflow: 'restore', requestedBy: input.requestedBy });
    return await carryOutCleanly(input, { run, place, plan });
  } catch (error) {
    throw await withAlternative(place, wanted, error);
  }
}

type Work = { run: Run; place: Place; plan: PlannedRestore };

async function carryOutCleanly(input: RestoreInput, work: Work): Promise<RestoreResult> {
  const { dataDir } = work.plan;
  try {
    return await carryOut(input, work);
  } finally {
    await compensate('clearing the staged files', () => cleanup(work.place).clearStaging({ dataDir }));
  }
}

async function carryOut(input: RestoreInput, work: Work): Promise<RestoreResult> {
  const { run, place, plan } = work;
  const { database, startedAtMs } = run;
  const { repository, planKey } = plan;
  run.phase(`fetching ${plan.label}`);
  const { timeline } = await transfer(place).stageWal({ database, repository, planKey, startedAtMs });
  run.phase('rehearsing: a real server boots on the restored files');
  const { rehearsal, warnings } = await transfer(place).rehearse({ database, repository, planKey });
  if (input.to === undefined) {
    const swapped = await swapInPlace(run, place, { repository, planKey });
    return resultOf(run, place, { plan, timeline, rehearsal, ...swapped, warnings: [...warnings, ...swapped.warnings] });
  }
  run.phase('placing');
  await step(place).placeElsewhere({ repository, planKey });
  return resultOf(run, place, { plan, timeline, rehearsal, warnings });
}

type Facts = Partial<RestoreResult> & { plan: PlannedRestore; timeline: string; warnings?: Warning[] };

function resultOf(run: Run, place: Place, { plan, warnings: found = [], ...facts }: Facts): RestoreResult {
  const { warnings: planned, approval: _policy, ...summary } = plan;
  const warnings = [...planned, ...found];
  const { runId, database } = run;
  const durationMs = Date.now() - run.startedAtMs;
  return { outcome: outcomeOf(warnings), runId, database, warnings, ...summary, agent: place.agent, ...facts, durationMs };
}
