import type { ActivityDeps } from '../activities/activity-deps.ts';
import { ownRun, type RunPort } from '../activities/run-port.ts';
import type { StepFacts } from '../replay/progress.ts';
import type { PointInTimeRecoveryInput, PointInTimeRecoveryResult } from '../contract/point-in-time-recovery.ts';
import type { RebaseDatabaseInput, RebaseDatabaseResult } from '../contract/rebase-database.ts';
import type { RestoreInput, RestoreResult } from '../contract/restore.ts';
import type { UndoRestoreInput, UndoRestoreResult } from '../contract/undo-restore.ts';
import type { CommonResult } from '../contract/result.ts';
import type { WorkflowType } from '../contract/workflow-types.ts';
import { AssertionError, boundedText, RstowError } from '../core/errors/rstow-error.ts';
import type { EndedRun } from '../formats/repository/facts.ts';
import { localRunMutexName, newLocalRunId } from '../io/agent-state/run-files.ts';
import { acquireHostMutex } from '../io/mutex/host-mutex.ts';
import { withEndingSignal } from '../worker/agent-program.ts';
import type { Engine } from '../workflows/engine.ts';
import { pointInTimeRecovery } from '../workflows/point-in-time-recovery.ts';
import { rebaseDatabase } from '../workflows/rebase-database.ts';
import { restore } from '../workflows/restore.ts';
import { undoRestore } from '../workflows/undo-restore.ts';
import { localDeps } from './local-deps.ts';
import { localEngine } from './local-engine.ts';
import { type Activities, verbs } from '../activities/activities.ts';
import type { ActivityBody } from '../activities/activity.ts';

/** What shows a person where a run without Temporal is. */
export type LocalWatcher = {
  phase(phase: string): void;
  /** What the step at work says of itself, at most so often as it says so. */
  report(phase: string, facts: StepFacts): void;
};

export type LocalRecovery<Input = unknown> = { configFile: string | undefined; input: Input; watcher: LocalWatcher };

/**
 * Full recovery to a backup where there is no Temporal: the recipe of the workflow of the same name, by this process on
 * this host. In place, this installation has to be the owner. Fails: as the workflow `restore`, and cancelled.
 */
export async function restoreLocally({ configFile, input, watcher }: LocalRecovery<RestoreInput>): Promise<RestoreResult> {
  const deps = await localDeps(configFile);
  return withLocalRun({ deps, watcher, type: 'restore', input }, restore);
}

/** The same, to any point of a stored history. Fails: as the workflow `pointInTimeRecovery`, and cancelled. */
export async function recoverPointLocally({
  configFile,
  input,
  watcher,
}: LocalRecovery<PointInTimeRecoveryInput>): Promise<PointInTimeRecoveryResult> {
  const deps = await localDeps(configFile);
  return withLocalRun({ deps, watcher, type: 'pointInTimeRecovery', input }, pointInTimeRecovery);
}

/** The same, to what a restore has replaced. Fails: as the workflow `undoRestore`, and cancelled. */
export async function undoLocally({ configFile, input, watcher }: LocalRecovery<UndoRestoreInput>): Promise<UndoRestoreResult> {
  const deps = await localDeps(configFile);
  return withLocalRun({ deps, watcher, type: 'undoRestore', input }, undoRestore);
}

/** Lets the server go on with a shorter log. Fails: as the workflow `rebaseDatabase`, and cancelled. */
export async function rebaseLocally({ configFile, input, watcher }: LocalRecovery<RebaseDatabaseInput>): Promise<RebaseDatabaseResult> {
  const deps = await localDeps(configFile);
  return withLocalRun({ deps, watcher, type: 'rebaseDatabase', input }, rebaseDatabase);
}

type Asked = {
  database: string;
  repository?: string | undefined;
  requestedBy?: string | undefined;
  reason?: string | undefined;
  dryRun?: boolean | undefined;
};

type LocalRun<Input> = { deps: ActivityDeps; watcher: LocalWatcher; type: WorkflowType; input: Input };

/** Follows a recipe until it is done or SIGINT or SIGTERM ends it. Fails: cancelled, and as the recipe does. */
async function withLocalRun<Input extends Asked, Result extends CommonResult & { label?: string }>(
  run: LocalRun<Input>,
  recipe: (input: Input, engine: Engine) => Promise<Result>,
): Promise<Result> {
  const runId = newLocalRunId();
  return withEndingSignal(async (ending) => {
    const mutex = await acquireHostMutex(localRunMutexName(runId), { what: `run ${runId}`, waitTimeoutMs: 0 });
    try {
      return await recorded(run, runId, () => recipe(run.input, engineOf(run, { runId, ending })));
    } finally {
      await mutex.release();
    }
  });
}

/** Leaves a record of the run in the repository, as an agent does of those that Temporal knows; one that can't be written is no failure. */
async function recorded<Result extends CommonResult & { label?: string }>(
  run: LocalRun<Asked>,
  runId: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const { deps, type, input, watcher } = run;
  const startedAtMs = Date.now();
  const record = async (cameTo: Pick<EndedRun, 'state' | 'label' | 'failure'>): Promise<void> => {
    const { database, repository, requestedBy: who, reason: why, dryRun: isDryRun } = input;
    const ended = { runId, workflowId: runId, type, database, who, why, isDryRun, startedAtMs, endedAtMs: Date.now(), ...cameTo };
    try {
      await (await deps.openStore(database, repository)).runs.record(ended);
    } catch (error) {
      watcher.phase(`the run could not be recorded: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  try {
    const result = await work();
    await record({ state: result.outcome, label: result.label });
    return result;
  } catch (error) {
    if (error instanceof RstowError) await record({ state: 'failed', failure: { code: error.code, sentence: boundedText(error.message) } });
    throw error;
  }
}

function engineOf(run: LocalRun<{ database: string }>, { runId, ending }: { runId: string; ending: AbortSignal }): Engine {
  const { deps, watcher, type, input } = run;
  const interrupted = new AbortController();
  ending.addEventListener('abort', () => interrupted.abort(new RstowError('cancelled', 'the run was interrupted')), { once: true });
  let current = '';
  const port: RunPort = { ...ownRun(runId, interrupted.signal), report: (facts) => watcher.report(current, facts) };
  return localEngine({
    type,
    database: input.database,
    runId,
    verbs: boundActivities(deps, port),
    lastingVerbs: boundActivities(deps, { ...port, signal: new AbortController().signal }),
    phase: (phase) => {
      current = phase;
      watcher.phase(phase);
    },
  });
}

/** The activities' bodies under their own names, without Temporal: each works for this run, and fails with RstowErrors. */
export function boundActivities(deps: ActivityDeps, run: RunPort): Activities {
  const bound = Object.entries(verbs).map(([name, make]) => {
    const body = make(deps) as ActivityBody<unknown, unknown>;
    return [name, (input: unknown) => carryOut(() => body(input, run), run.signal)];
  });
  return Object.fromEntries(bound) as Activities;
}

async function carryOut<T>(body: () => Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  try {
    return await body();
  } catch (error) {
    // A failure with a code says more than that somebody interrupted: it may be why the server is not up.
    if (error instanceof RstowError) throw error;
    signal.throwIfAborted();
    if (error instanceof AssertionError) throw new RstowError('bug', error.message, { cause: error });
    throw new RstowError('failed', error instanceof Error ? error.message : String(error), { cause: error });
  }
}
