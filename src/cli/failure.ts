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
import { unknownNamespace } from './temporal-client.ts';

/**
 * `known` are details that a hint may name and the failure may lack, such as the command line's database. Undefined for
 * what is none of the failures that rstow expects: that is a bug, and its stack should be seen.
 */
export function cliFailure(error: unknown, known: ErrorDetails = {}): CliFailure | undefined {
  if (error instanceof RstowError) return failureOf(error.code, withOption(error), { ...known, ...error.details });
  if (error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError) return failureOfRun(error.cause, known);
  if (error instanceof WorkflowNotFoundError) {
    return { ...failureOf('invalid-input', `there is no open run "${error.workflowId}"`), hint: '`rstow runs` shows which runs are open.' };
  }
  if (error instanceof NamespaceNotFoundError) return failureOf('invalid-input', unknownNamespace(error.namespace));
  if (isUnreachable(error)) return failureOf('temporal-unreachable', `Temporal failed: ${whyOf(error)}`);
  return undefined;
}

/** A field of an input is an option of the command line. */
function withOption({ message, details }: RstowError): string {
  const { field } = details;
  const option = typeof field === 'string' ? OPTIONS[field] : undefined;
  return option === undefined ? message : message.replace(`field "${String(field)}"`, option);
}

const OPTIONS: Record<string, string> = {
  database: 'the database’s name',
  'to.dataDir': '--to-dir',
  'to.agent': '--to-agent',
  ...Object.fromEntries(
    ['repository', 'reason', 'backup', 'level', 'limit', 'seed', 'agent', 'target', 'by'].map((name) => [name, `--${name}`]),
  ),
  planHash: '--plan',
};

/** The run's own failure begins with its code. */
function failureOfRun(cause: unknown, known: ErrorDetails): CliFailure {
  const { type, message, details } = (cause ?? {}) as { type?: string | null; message?: string; details?: unknown[] | null };
  if (typeof type === 'string' && isErrorCode(type)) {
    return failureOf(type, (message ?? '').replace(`${type}: `, ''), {
      ...known,
      ...(details?.[0] as ErrorDetails | undefined),
    });
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
  return isGrpcServiceError(cause) ? withoutResolution(cause.details) : String(error);
}

/** gRPC says how it looked the address up, also if there is nothing to say. */
function withoutResolution(details: string): string {
  return details.replace(/^No connection established\. Last error: (Error: )?/, '').replace(/\.? Resolution note:[^]*$/, '');
}

function failureOf(code: ErrorCode, sentence: string, details: ErrorDetails = {}): CliFailure {
  return { code, sentence, hint: hintOf(code, details), exitCode: errorRow(code).exitCode };
}
