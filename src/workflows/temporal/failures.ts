import { defaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { ActivityFailure, ApplicationFailure, ContinueAsNew, isCancellation, TemporalFailure, TimeoutFailure } from '@temporalio/workflow';
import { AssertionError, boundedText, type ErrorDetails, hintOf, RstowError, sentenceOf } from '../../core/errors/rstow-error.ts';
import { type ErrorCode, errorRow, isErrorCode } from '../../core/errors/error-table.ts';

/**
 * What a step failed with, as recipes know it: the step's own sentence; a step that nobody did, or that fell silent, is
 * an unreachable agent. A cancellation stays what it is.
 */
export function errorOfStep(error: unknown): unknown {
  if (isCancellation(error) || !(error instanceof ActivityFailure)) return error;
  const reason = lastReason(error.cause);
  const code = codeOf(reason);
  if (code !== undefined) {
    const { message, details } = reason as ApplicationFailure;
    const sentence = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
    return new RstowError(code, sentence, { details: (details?.[0] ?? {}) as ErrorDetails, cause: error });
  }
  const step = error.activityType;
  if (reason instanceof TimeoutFailure) {
    return new RstowError('agent-unreachable', `no agent finished the step ${step} in time`, { cause: error });
  }
  return new RstowError('failed', `the step ${step} failed: ${reason?.message ?? error.message}`, { cause: error });
}

/** Whether nobody did the step in time. */
export function isSilent(error: unknown): boolean {
  return stepOf(error)?.cause instanceof TimeoutFailure;
}

/** Why a step failed, if trying again can help. */
export function passingReason(error: unknown): string | undefined {
  const cause = stepOf(error)?.cause;
  const code = codeOf(cause);
  if (cause === undefined || code === undefined || !errorRow(code).retryable) return undefined;
  return cause.message.slice(0, REASON_LENGTH_MAX);
}

/** Of a timer's summary. */
const REASON_LENGTH_MAX = 150;

/** The failure that `errorOfStep` made the error of. */
function stepOf(error: unknown): ActivityFailure | undefined {
  return error instanceof RstowError && error.cause instanceof ActivityFailure ? error.cause : undefined;
}

function codeOf(error: Error | undefined): ErrorCode | undefined {
  return error instanceof ApplicationFailure && isErrorCode(error.type ?? '') ? (error.type as ErrorCode) : undefined;
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

/**
 * A run's own failure: one sentence that begins with the code, the code as `type`, and the cause. Whatever
 * isn't a Temporal failure would be retried for ever and look `Running`, so all else becomes `bug`.
 */
export function runFailure(error: unknown): unknown {
  if (isCancellation(error) || error instanceof ContinueAsNew) return error;
  if (error instanceof RstowError) return failureOf(error);
  if (error instanceof TemporalFailure) return error;
  if (error instanceof Error && error.name === 'DeterminismViolationError') return error;
  if (error instanceof AssertionError) return failureOf(new RstowError('bug', error.message));
  return failureOf(new RstowError('bug', boundedText(error instanceof Error ? error.message : String(error))));
}

function failureOf(error: RstowError): ApplicationFailure {
  const { code, details, cause } = error;
  const known = cause instanceof RstowError ? failureOf(cause) : cause;
  const facts = { ...details, hint: hintOf(code, details) };
  const failure = { message: sentenceOf(error), type: code, nonRetryable: true, details: [facts] };
  return ApplicationFailure.create(known instanceof TemporalFailure ? { ...failure, cause: known } : failure);
}

/** A validator refuses by throwing; nothing of the refused update enters the history. */
export function refuseInvalid(check: () => RstowError | undefined): void {
  let refusal: unknown;
  try {
    refusal = check();
  } catch (error) {
    refusal = error;
  }
  if (refusal !== undefined) throw runFailure(refusal);
}
