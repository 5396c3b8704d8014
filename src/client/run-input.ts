import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { isNotFound } from './temporal.ts';

/** What a run was asked for. */
export type RunInput = {
  requestedBy?: string | undefined;
  reason?: string | undefined;
  /** Whether it was only to say what it would do. */
  isDryRun?: true | undefined;
  /** Of a `holdBackup`: whether it was to end what keeps a backup. */
  isRelease?: true | undefined;
  /** Undefined: the database's first. */
  repository?: string | undefined;
  /** Of an expiry. */
  isDespiteClocks?: true | undefined;
};

/** By the first event of the history; undefined if Temporal no longer has it, or if its input can't be read. */
export async function inputOf(
  { workflowService, options: { namespace } }: Client,
  { workflowId, runId, type }: Pick<WorkflowExecutionInfo, 'workflowId' | 'runId' | 'type'>,
): Promise<RunInput | undefined> {
  const execution = { workflowId, runId };
  const page = workflowService.getWorkflowExecutionHistory({ namespace, execution, maximumPageSize: 1 });
  const history = (await page.catch(unlessGone))?.history;
  return parsedInput(history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads?.[0]?.data, type);
}

export function parsedInput(data: Uint8Array | null | undefined, type: string): RunInput | undefined {
  if (data === undefined || data === null) return undefined;
  try {
    const input = JSON.parse(new TextDecoder().decode(data)) as Record<string, unknown>;
    const { requestedBy, reason, dryRun, apply, release, repository, despiteClocks } = input;
    // An expiry deletes only where it is told to; every other type does unless it is told not to.
    const isDryRun = type === 'expireBackups' ? apply !== true : dryRun === true;
    return {
      requestedBy: textOf(requestedBy),
      reason: textOf(reason),
      isDryRun: isDryRun ? true : undefined,
      isRelease: type === 'holdBackup' && release === true ? true : undefined,
      repository: textOf(repository),
      isDespiteClocks: despiteClocks === true ? true : undefined,
    };
  } catch {
    return undefined;
  }
}

function unlessGone(error: unknown): undefined {
  if (isNotFound(error)) return undefined;
  throw error;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
