import { ApplicationFailure, defineQuery, setHandler, workflowInfo } from '@temporalio/workflow';
import { PROGRESS_QUERY, SEARCH_ATTRIBUTES } from '../../contract/names.ts';
import { nearestName } from '../../core/text/nearest-name.ts';
import type { CommonResult, Progress } from '../../contract/result.ts';
import { WORKFLOW_TYPES } from '../../contract/workflow-types.ts';
import type { Engine } from '../engine.ts';
import { temporalEngine } from './engine.ts';
import { runFailure } from './failures.ts';
import { handOverIfWanted, moveIfRefused } from './moving.ts';
import { type Run, startRun } from './run.ts';

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
