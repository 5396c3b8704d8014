import { buildIdOf, DEPLOYMENT_NAME, type MoveRun } from '../../contract/names.ts';
import type { TemporalConnection } from './connection.ts';

/** temporal.api.enums.v1.VersioningOverride's PINNED_OVERRIDE_BEHAVIOR_PINNED */
const PINNED = 1;
const MOVE_MS = 5_000;

/**
 * Gives a run that has done nothing yet to agents of another contract. Called by its very first task, which Temporal then
 * drops: the other contract's agents begin with an empty history. Twice: no-op.
 */
export const moveRun =
  ({ connection, namespace }: TemporalConnection): MoveRun =>
  async ({ workflowId, runId, contract }) => {
    const version = { deploymentName: DEPLOYMENT_NAME, buildId: buildIdOf(contract) };
    const request: object = {
      namespace,
      workflowExecution: { workflowId, runId },
      workflowExecutionOptions: { versioningOverride: { pinned: { behavior: PINNED, version } } },
      updateMask: { paths: ['versioning_override'] },
    };
    await connection.withDeadline(Date.now() + MOVE_MS, () => connection.workflowService.updateWorkflowExecutionOptions(request));
  };
