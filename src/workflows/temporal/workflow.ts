import {
  ApplicationFailure,
  CancellationScope,
  defineQuery,
  defineSignal,
  isCancellation,
  makeContinueAsNewFunc,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { CONTRACT_NUMBER, type MoveRun, PROGRESS_QUERY, SEARCH_ATTRIBUTES } from '../../contract/names.ts';
import { nearestName } from '../../core/text/nearest-name.ts';
import type { CommonResult, Progress } from '../../contract/result.ts';
import { WORKFLOW_TYPES } from '../../contract/workflow-types.ts';
import type { Engine } from '../engine.ts';
import { temporalEngine } from './engine.ts';
import { runFailure } from './failures.ts';
import { type Run, startRun } from './run.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { DisasterRecoveryInput, DisasterRecoveryResult } from '../../contract/disaster-recovery.ts';
import { ABORT_SIGNAL, REQUEST_RECOVERY_SIGNAL } from '../../contract/messages.ts';

const progressQuery = defineQuery<Progress>(PROGRESS_QUERY);

/**
 * Makes a workflow of a parser and a recipe: the input is checked before anything else, and whatever
 * goes wrong becomes the run's own failure, one sentence with a code.
 */
export function workflow<Input extends { database: string }, Result extends CommonResult>(
  type: string,
  parse: (args: readonly unknown[]) => Input,
  recipe: (input: Input, engine: Engine, run: Run) => Promise<Result>,
): (...args: unknown[]) => Promise<Result> {
  return async (...args) => {
    try {
      const input = parse(args);
      await handOverIfWanted();
      const run = startRun(type, input);
      setHandler(progressQuery, () => run.progress);
      const result = await recipe(input, temporalEngine(run), run);
      run.attribute(SEARCH_ATTRIBUTES.outcome, result.outcome);
      run.phase(`ended: ${result.outcome}`);
      return result;
    } catch (error) {
      await moveIfRefused(error, args);
      throw runFailure(error);
    }
  };
}

/** Answers every type that rstow doesn't have: without it, a misspelt start would hang. */
export async function unknownWorkflow(): Promise<never> {
  const { workflowType } = workflowInfo();
  const nearest = nearestName(workflowType, WORKFLOW_TYPES);
  const hint = nearest === undefined ? `the types are ${WORKFLOW_TYPES.join(', ')}` : `did you mean "${nearest}"?`;
  return Promise.reject(
    ApplicationFailure.nonRetryable(`unknown-workflow: rstow has no workflow type "${workflowType}"; ${hint}`, 'unknown-workflow', {
      workflowType,
    }),
  );
}

/**
 * Memo: the contract that the run is to go on with. A run whose host has agents of another contract goes on there: it
 * begins again, and is handed over before it does anything. It moves once.
 */
const CONTRACT_MEMO = 'rstowContract';

const { moveRun } = proxyLocalActivities<{ moveRun: MoveRun }>({ startToCloseTimeout: '10s', retry: { maximumAttempts: 3 } });

/** The first thing that a run does. Fails: agent-version-unsupported. */
async function handOverIfWanted(): Promise<void> {
  const { memo, workflowId, runId } = workflowInfo();
  const contract = memo?.[CONTRACT_MEMO];
  if (typeof contract !== 'number' || contract === CONTRACT_NUMBER) return;
  const sentence = `the run could not be given to agents of contract ${contract}; this one has contract ${CONTRACT_NUMBER}`;
  try {
    await moveRun({ workflowId, runId, contract });
  } catch (cause) {
    throw new RstowError('agent-version-unsupported', sentence, { details: { contract }, cause });
  }
  // Temporal drops what this task comes to.
  throw new RstowError('agent-version-unsupported', sentence, { details: { contract } });
}

/** Begins again for the contract of the agent that was met, if that is why the run fails; else returns. */
async function moveIfRefused(error: unknown, args: readonly unknown[]): Promise<void> {
  if (!(error instanceof RstowError) || error.code !== 'agent-version-unsupported') return;
  const { memo } = workflowInfo();
  const contract = error.details['contract'];
  if (typeof contract !== 'number' || memo?.[CONTRACT_MEMO] !== undefined) return;
  await makeContinueAsNewFunc<(...args: unknown[]) => Promise<unknown>>({ memo: { ...memo, [CONTRACT_MEMO]: contract } })(...args);
}

const requestRecovery = defineSignal<[unknown]>(REQUEST_RECOVERY_SIGNAL);
const abort = defineSignal(ABORT_SIGNAL);

type Recipe = (input: DisasterRecoveryInput, engine: Engine) => Promise<DisasterRecoveryResult>;
type OfRun = (input: DisasterRecoveryInput, engine: Engine, run: Run) => Promise<DisasterRecoveryResult>;

/**
 * The recipe of a recovery, with its signals. Other services ask for it by signal-with-start under one id: the first
 * request counts, later ones are counted.
 */
export function withRecoverySignals(recipe: Recipe): OfRun {
  return async (input, engine, run) => {
    const requests = countRequests();
    const result = await unlessAborted(run, () => recipe(input, engine));
    return result.outcome === 'not-needed' ? result : { ...result, laterRequests: requests.later() };
  };
}

/** The first signal came with the start, and is the request itself; a start without one counts the next as such. */
function countRequests(): { later(): number } {
  let signals = 0;
  setHandler(requestRecovery, () => {
    signals += 1;
  });
  return { later: () => Math.max(0, signals - 1) };
}

/** The signal is heeded as a cancellation is: until the old data are moved. Fails: cancelled. */
async function unlessAborted<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const scope = new CancellationScope();
  const signals = { isAborted: false };
  setHandler(abort, () => {
    signals.isAborted = true;
    scope.cancel();
  });
  try {
    return await scope.run(work);
  } catch (error) {
    if (!signals.isAborted || !isCancellation(error)) throw error;
    throw new RstowError('cancelled', `the recovery was aborted at: ${run.progress.phase}`);
  }
}
