import { defineQuery, setHandler } from '@temporalio/workflow';
import { PROGRESS_QUERY, SEARCH_ATTRIBUTES } from '../contract/names.ts';
import type { Progress } from '../contract/progress.ts';
import type { CommonResult } from '../contract/result.ts';
import { runFailure } from './run-failure.ts';
import { type Run, startRun } from './run.ts';

const progressQuery = defineQuery<Progress>(PROGRESS_QUERY);

/**
 * Makes a workflow of a parser and a recipe: the input is checked before anything else, and whatever
 * goes wrong becomes the run's own failure, one sentence with a code.
 */
export function workflow<Input extends { database: string }, Result extends CommonResult>(
  type: string,
  parse: (args: readonly unknown[]) => Input,
  recipe: (input: Input, run: Run) => Promise<Result>,
): (...args: unknown[]) => Promise<Result> {
  return async (...args) => {
    try {
      const input = parse(args);
      const run = startRun(type, input.database);
      setHandler(progressQuery, () => run.progress);
      const result = await recipe(input, run);
      run.attribute(SEARCH_ATTRIBUTES.outcome, result.outcome);
      run.phase(`ended: ${result.outcome}`);
      return result;
    } catch (error) {
      throw runFailure(error);
    }
  };
}
