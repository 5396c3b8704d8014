import { ApplicationFailure, workflowInfo } from '@temporalio/workflow';
import { nearestName } from '../contract/nearest-name.ts';
import { WORKFLOW_TYPES } from '../contract/workflow-types.ts';

/** Answers every type that rstow doesn't have: without it, a misspelt start would hang. */
export async function unknownWorkflow(): Promise<never> {
  const { workflowType } = workflowInfo();
  const nearest = nearestName(workflowType, WORKFLOW_TYPES);
  const hint = nearest === undefined ? `the types are ${WORKFLOW_TYPES.join(', ')}` : `did you mean "${nearest}"?`;
  return Promise.reject(
    ApplicationFailure.nonRetryable(`unknown-workflow: rstow has no workflow type "${workflowType}"; ${hint}`, 'unknown-workflow', {
      workflowType,
    }),
  );
}
