import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { QUERY_TYPES } from '../contract/workflow-types.ts';

/** Whoever started a query has its answer by then; sooner, Temporal may still be writing down that it has ended. */
const ANSWERED_MS = 10_000;
const AT_ONCE_MAX = 50;

/** The ids that this client and `rstow up` give to queries: those of other programs are theirs. */
const OWN_ID = new RegExp(`^rstow/[^/]+/(${QUERY_TYPES.join('|')})/([0-9a-f-]{36}|up)$`);

/**
 * Removes queries that have ended: their answer was given, and the list of runs is for those that did something. What can't be
 * removed goes with Temporal's retention. Twice: no-op.
 */
export async function forgetPastQueries(client: Client): Promise<void> {
  const before = new Date(Date.now() - ANSWERED_MS).toISOString();
  const query = `WorkflowType IN (${QUERY_TYPES.map((type) => `'${type}'`).join(', ')}) AND CloseTime < '${before}'`;
  const past: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query, pageSize: AT_ONCE_MAX })) {
    if (OWN_ID.test(run.workflowId)) past.push(run);
    if (past.length >= AT_ONCE_MAX) break;
  }
  const { namespace } = client.options;
  await Promise.all(
    past.map(({ workflowId, runId }) =>
      client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId, runId } }),
    ),
  );
}
