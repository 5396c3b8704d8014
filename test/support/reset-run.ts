import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';

/** Begins the run again behind one of its decisions, as an operator would. Gives the execution that goes on. */
export async function resetRun(
  client: Client,
  { workflowId }: WorkflowHandle,
  decision: 'first' | 'last' = 'last',
): Promise<WorkflowHandle> {
  const { events = [] } = await client.workflow.getHandle(workflowId).fetchHistory();
  const decisions = (events ?? []).filter((event) => event.workflowTaskCompletedEventAttributes);
  const decided = decision === 'first' ? decisions[0] : decisions.at(-1);
  const { runId } = await client.workflowService.resetWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId },
    reason: 'test',
    requestId: randomUUID(),
    workflowTaskFinishEventId: decided?.eventId ?? null,
  });
  return client.workflow.getHandle(workflowId, runId);
}
