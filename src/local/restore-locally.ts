import type { PlannedRestore } from '../activities/restore/plan-restore.ts';
import { noBackupYet } from '../contract/hot-backup.ts';
import { historyUnnoted, type RestoreInput, type RestoreResult } from '../contract/restore.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { alternativeSentence } from '../core/backup/alternative.ts';
import { isObjectDamage } from '../core/errors/object-damage.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { localDeps } from './local-deps.ts';
import { type LocalRun, type LocalWatcher, withLocalRun } from './local-run.ts';
import { storeReplaced, swapLocally } from './swap-locally.ts';

export type LocalRestore = { configFile: string | undefined; input: RestoreInput; watcher: LocalWatcher };

/**
 * Full recovery to a backup where there is no Temporal: the steps of the workflow of the same name, in its order, by this
 * process on this host. In place, this installation has to be the owner. Fails: as the workflow `restore`.
 * @see src/workflows/restore.ts
 */
export async function restoreLocally({ configFile, input, watcher }: LocalRestore): Promise<RestoreResult> {
  return withLocalRun(await localDeps(configFile), watcher, (run) => recoverLocally(input, run));
}

/** The steps of such a restore. */
export async function recoverLocally(input: RestoreInput, run: LocalRun): Promise<RestoreResult> {
  const { database, backup, to } = input;
  const wanted = { database, backup, ...(input.repository === undefined ? {} : { repository: input.repository }) };
  const dry = input.dryRun === true ? { dryRun: true } : {};
  run.phase('planning');
  try {
    const plan = await run.steps.planRestore({ ...wanted, ...dry, ...(to === undefined ? {} : { toDataDir: to.dataDir }) });
    const before = to === undefined ? { replaces: await run.steps.surveyData({ database }) } : { timeline: plan.fromTimeline };
    if (input.dryRun === true) return resultOf(run, database, { plan, dryRun: true, ...before });
    if (to === undefined) requireNoApproval(plan, database);
    return { ...(await carryOutCleanly(input, run, plan)), ...('replaces' in before ? before : {}) };
  } catch (error) {
    throw await withAlternative(run, wanted, error);
  }
}

/** Another person's agreement comes as a message to a run in Temporal. Fails: approval-denied. */
function requireNoApproval({ approval }: PlannedRestore, database: string): void {
  if (approval?.for.includes('restore') !== true) return;
  const setting = `databases.${database}.approval`;
  throw new RstowError('approval-denied', `${setting} asks for another person's approval, which nobody can give without Temporal`);
}

async function carryOutCleanly(input: RestoreInput, run: LocalRun, plan: PlannedRestore): Promise<RestoreResult> {
  try {
    return await carryOut(input, run, plan);
  } finally {
    await clear(run, plan);
  }
}

/** A failure here never hides the run's outcome: the agent's housekeeping clears what was left. */
async function clear(run: LocalRun, { dataDir }: PlannedRestore): Promise<void> {
  try {
    await run.cleanup.clearStaging({ dataDir });
  } catch (error) {
    run.phase(`clearing the staged files failed, the agent will do it: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function carryOut(input: RestoreInput, run: LocalRun, plan: PlannedRestore): Promise<RestoreResult> {
  const { database } = input;
  const { repository, planKey, planHash } = plan;
  const tail = { repository, startedAtMs: run.startedAtMs, isRequired: input.discardNewer !== true };
  if (input.to === undefined) await storeReplaced(run, { database, ...tail });
  run.phase(`fetching ${plan.label}`);
  const { timeline, warnings: staged } = await run.steps.stageWal({ database, repository, planKey, startedAtMs: run.startedAtMs });
  run.phase('rehearsing: a real server boots on the restored files');
  const { rehearsal, warnings: rehearsed } = await run.steps.rehearse({ database, repository, planKey });
  const warnings = [...staged, ...rehearsed];
  if (input.to === undefined) {
    const swapped = await swapLocally(run, { database, repository, planKey, planHash, tail });
    const unnoted = await noteHistory(run, database, timeline);
    const unbacked = { code: 'no-backup-yet', message: noBackupYet(database) };
    const all = [...warnings, ...swapped.warnings, ...unnoted, unbacked];
    return resultOf(run, database, { plan, timeline, rehearsal, ...swapped, warnings: all });
  }
  run.phase('placing');
  await run.steps.placeElsewhere({ repository, planKey });
  return resultOf(run, database, { plan, timeline, rehearsal, warnings });
}

/** Which timeline the database goes on with, which nothing else says until it has a backup. A failure is a warning. */
async function noteHistory(run: LocalRun, database: string, timeline: string): Promise<Warning[]> {
  try {
    await run.cleanup.noteHistory({ database, timeline });
    return [];
  } catch (error) {
    return [historyUnnoted(timeline, error instanceof Error ? error.message : String(error))];
  }
}

type Facts = Partial<RestoreResult> & { plan: PlannedRestore };

function resultOf(run: LocalRun, database: string, { plan, warnings: found = [], ...facts }: Facts): RestoreResult {
  const { warnings: planned, approval: _policy, ...summary } = plan;
  const warnings: Warning[] = [...planned, ...found];
  const { runId, deps, startedAtMs } = run;
  const durationMs = Date.now() - startedAtMs;
  return { outcome: outcomeOf(warnings), runId, database, warnings, ...summary, agent: deps.agent.name, ...facts, durationMs };
}

type Wanted = { database: string; backup: string; repository?: string };

/** The failure of a restore that met a damaged object, and what can be restored instead; any other as it is. */
async function withAlternative(run: LocalRun, wanted: Wanted, error: unknown): Promise<unknown> {
  if (!(error instanceof RstowError) || !isObjectDamage(error.code)) return error;
  const damagedKey = error.details['key'];
  if (typeof damagedKey !== 'string') return error;
  const found = await run.cleanup.findAlternative({ ...wanted, damagedKey }).catch(() => null);
  if (found === null) return error;
  return new RstowError(error.code, `${error.message}; ${alternativeSentence(found)}`, { details: error.details, cause: error });
}
