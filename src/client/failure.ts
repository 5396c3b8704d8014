import {
  isGrpcServiceError,
  NamespaceNotFoundError,
  TemporalFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { isErrorCode } from '../core/errors/error-table.ts';
import { type ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';
import { unknownNamespace } from './temporal.ts';

/** Throws as an `RstowError` what `work` fails with, a run's own failure among it. What nobody expects is thrown as it is: a bug. */
export async function withRstowErrors<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw rstowErrorOf(error) ?? error;
  }
}

/** Undefined for what is none of the failures that a client of rstow expects. */
export function rstowErrorOf(error: unknown): RstowError | undefined {
  if (error instanceof RstowError) return error;
  if (error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError) return failureOfRun(error.cause);
  if (error instanceof WorkflowNotFoundError) {
    return new RstowError('invalid-input', `there is no open run "${error.workflowId}"`, {
      hint: '`rstow runs` shows which runs are open.',
      cause: error,
    });
  }
  if (error instanceof NamespaceNotFoundError) return unknownNamespace(error.namespace, error);
  return isUnreachable(error) ? new RstowError('temporal-unreachable', `Temporal failed: ${whyOf(error)}`, { cause: error }) : undefined;
}

/** A run's own failure begins with its code. */
function failureOfRun(cause: unknown): RstowError {
  const { type, message, details } = (cause ?? {}) as { type?: string | null; message?: string; details?: unknown[] | null };
  if (typeof type === 'string' && isErrorCode(type)) {
    const facts = details?.[0] as ErrorDetails | undefined;
    return new RstowError(type, (message ?? '').replace(`${type}: `, ''), { details: facts ?? {}, cause });
  }
  const kind = cause instanceof TemporalFailure ? cause.name : '';
  if (kind === 'CancelledFailure') return new RstowError('cancelled', 'the run was cancelled', { cause });
  if (kind === 'TerminatedFailure')
    return new RstowError('cancelled', `the run was terminated: ${message ?? 'no reason given'}`, { cause });
  if (kind === 'TimeoutFailure') return new RstowError('agent-unreachable', 'no agent took the run up in time', { cause });
  return new RstowError('failed', message ?? 'the run failed', { cause });
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && (isGrpcServiceError(error) || isGrpcServiceError(error.cause));
}

function whyOf(error: unknown): string {
  const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcServiceError(cause) ? withoutResolution(cause.details) : String(error);
}

/** gRPC says how it looked the address up, also if there is nothing to say. */
function withoutResolution(details: string): string {
  return details.replace(/^No connection established\. Last error: (Error: )?/, '').replace(/\.? Resolution note:[^]*$/, '');
}
