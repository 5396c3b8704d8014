import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  TemporalFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { type ErrorCode, errorRow, isErrorCode } from '../core/errors/error-table.ts';
import { hintOf } from '../core/errors/hint.ts';
import { type ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';
import type { CliFailure } from './failure-lines.ts';

/** Undefined for what is none of the failures that rstow expects: that is a bug, and its stack should be seen. */
export function cliFailure(error: unknown): CliFailure | undefined {
  if (error instanceof RstowError) return failureOf(error.code, error.message, error.details);
  if (error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError) return failureOfRun(error.cause);
  if (error instanceof WorkflowNotFoundError) return failureOf('invalid-input', `no open run "${error.workflowId}"`);
  if (error instanceof NamespaceNotFoundError) return failureOf('invalid-input', `Temporal has no namespace "${error.namespace}"`);
  if (isUnreachable(error)) return failureOf('temporal-unreachable', `Temporal did not do what was asked: ${whyOf(error)}`);
  return undefined;
}

/** The run's own failure begins with its code. */
function failureOfRun(cause: unknown): CliFailure {
  const { type, message, details } = (cause ?? {}) as { type?: string | null; message?: string; details?: unknown[] | null };
  if (typeof type === 'string' && isErrorCode(type)) {
    return failureOf(type, (message ?? '').replace(`${type}: `, ''), details?.[0] as ErrorDetails | undefined);
  }
  const kind = cause instanceof TemporalFailure ? cause.name : '';
  if (kind === 'CancelledFailure') return failureOf('cancelled', 'the run was cancelled');
  if (kind === 'TerminatedFailure') return failureOf('cancelled', `the run was terminated: ${message ?? 'no reason given'}`);
  if (kind === 'TimeoutFailure') return failureOf('agent-unreachable', 'no agent took the run up in time');
  return failureOf('failed', message ?? 'the run failed');
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && (isGrpcServiceError(error) || isGrpcServiceError(error.cause));
}

function whyOf(error: unknown): string {
  const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcServiceError(cause) ? cause.details : String(error);
}

function failureOf(code: ErrorCode, sentence: string, details: ErrorDetails = {}): CliFailure {
  return { code, sentence, hint: hintOf(code, details), exitCode: errorRow(code).exitCode };
}
