import type { WorkflowExecutionInfo } from '@temporalio/client';
import { LOOKS } from './find-run.ts';
import type { TemporalClient } from './temporal-client.ts';

/** Whoever started a look has its answer by then; sooner, Temporal may still be writing down that it has ended. */
const ANSWERED_MS = 10_000;
const AT_ONCE_MAX = 50;

/** The ids that this command and `rstow up` give to looks: those of other clients are theirs. */
const OWN_ID = new RegExp(`^rstow/[^/]+/(${LOOKS.join('|')})/([0-9a-f-]{36}|up)$`);

/**
 * Removes looks that have ended: their answer was printed, and the list of runs is for those that did something. What can't be
 * removed goes with Temporal's retention. Twice: no-op.
 */
export async function forgetPastLooks({ client, namespace }: TemporalClient): Promise<void> {
  const before = new Date(Date.now() - ANSWERED_MS).toISOString();
  const query = `WorkflowType IN (${LOOKS.map((type) => `'${type}'`).join(', ')}) AND CloseTime < '${before}'`;
  const past: WorkflowExecutionInfo[] = [];
  for await (const look of client.workflow.list({ query, pageSize: AT_ONCE_MAX })) {
    if (OWN_ID.test(look.workflowId)) past.push(look);
    if (past.length >= AT_ONCE_MAX) break;
  }
  await Promise.all(
    past.map(({ workflowId, runId }) =>
      client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } }),
    ),
  );
}
