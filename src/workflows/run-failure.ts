import { defaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  ContinueAsNew,
  isCancellation,
  TemporalFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { AssertionError } from '../core/errors/assert.ts';
import { boundedText } from '../core/errors/bounded-text.ts';
import { type ErrorCode, isErrorCode } from '../core/errors/error-table.ts';
import { hintOf } from '../core/errors/hint.ts';
import { type ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';

/**
 * A run's own failure: one sentence that begins with the code, the code as `type`, and the cause. Whatever
 * isn't a Temporal failure would be retried for ever and look `Running`, so all else becomes `bug`.
 */
export function runFailure(error: unknown): unknown {
  if (isCancellation(error) || error instanceof ContinueAsNew) return error;
  if (error instanceof RstowError) return failure(error.code, error.message, error);
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure) return failureOfCause(error);
  if (error instanceof TemporalFailure) return error;
  if (error instanceof AssertionError) return failure('bug', error.message, error);
  if (error instanceof Error && error.name === 'DeterminismViolationError') return error;
  return failure('bug', boundedText(error instanceof Error ? error.message : String(error)), error);
}

/** The step's own sentence; a step that nobody did, or that fell silent, is told as an unreachable agent. */
function failureOfCause(error: ActivityFailure | ChildWorkflowFailure): ApplicationFailure {
  const cause = lastReason(error.cause);
  const step = error instanceof ActivityFailure ? error.activityType : 'a child run';
  if (cause instanceof ApplicationFailure && isErrorCode(cause.type ?? '')) {
    return ApplicationFailure.create({
      message: cause.message,
      type: cause.type ?? 'failed',
      nonRetryable: true,
      details: [
        {
          ...(cause.details?.[0] as object | undefined),
          hint: hintOf(cause.type as ErrorCode, (cause.details?.[0] ?? {}) as ErrorDetails),
        },
      ],
      cause: error,
    });
  }
  if (cause instanceof TimeoutFailure) return failure('agent-unreachable', `no agent finished the step ${step} in time`, error);
  return failure('failed', `the step ${step} failed: ${cause?.message ?? error.message}`, error);
}

/**
 * A step that was tried until its time was over ends with a timeout, and the failure of its last attempt is what a
 * person needs. The SDK leaves that cause in the timeout's raw form.
 */
function lastReason(cause: Error | undefined): Error | undefined {
  const raw = cause instanceof TimeoutFailure ? cause.failure?.cause : undefined;
  if (raw === undefined || raw === null) return cause;
  const last = defaultFailureConverter.failureToError(raw, defaultPayloadConverter);
  return last instanceof ApplicationFailure ? last : cause;
}

function failure(code: ErrorCode, sentence: string, cause: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${code}: ${sentence}`,
    type: code,
    nonRetryable: true,
    details: [
      { ...(cause instanceof RstowError ? cause.details : {}), hint: hintOf(code, cause instanceof RstowError ? cause.details : {}) },
    ],
    ...(cause instanceof TemporalFailure ? { cause } : {}),
  });
}
