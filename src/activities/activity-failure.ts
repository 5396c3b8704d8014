import { ApplicationFailure } from '@temporalio/activity';
import { AssertionError } from '../core/errors/assert.ts';
import { boundedText, RstowError } from '../core/errors/rstow-error.ts';
import { errorRow } from '../core/errors/error-table.ts';
import { systemFailure, systemMessage } from '../io/files/errno.ts';

/**
 * The one place where our errors become Temporal failures: code as `type`, details as `details`. What is
 * unknown is retried within the proxy's bound; an assertion is a bug, and trying again can't help.
 */
export function activityFailure(error: unknown): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  if (error instanceof RstowError) return failureOf(error);
  if (error instanceof AssertionError) return failureOf(new RstowError('bug', error.message, { cause: error }));
  return failureOf(systemFailure(error) ?? new RstowError('failed', sentenceOf(error), { cause: error }));
}

function failureOf(error: RstowError): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${error.code}: ${error.message}`,
    type: error.code,
    nonRetryable: !errorRow(error.code).retryable,
    details: [error.details],
    ...(error.cause instanceof Error ? { cause: boundedCause(error.cause, CAUSES_MAX) } : {}),
  });
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? systemMessage(error) : String(error);
}

const CAUSES_MAX = 3;
const STACK_LENGTH_MAX = 2_000;

/** A foreign error may hold anything, such as a whole output: Temporal refuses a failure of some megabytes. */
function boundedCause(error: Error, depthMax: number): Error {
  const cause = error.cause instanceof Error && depthMax > 1 ? { cause: boundedCause(error.cause, depthMax - 1) } : {};
  const bounded = new Error(boundedText(error.message), cause);
  bounded.name = error.name;
  bounded.stack = boundedText(error.stack ?? '', STACK_LENGTH_MAX);
  return bounded;
}
