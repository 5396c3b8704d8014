import { randomUUID } from 'node:crypto';
import { runWorkflowId, WORKFLOW_QUEUE } from '../../contract/names.ts';
import type { CommonResult } from '../../contract/result.ts';
import type { WorkflowType } from '../../contract/workflow-types.ts';
import { DEMO_DATABASE, type DemoScene } from './demo-scene.ts';

/** Runs one workflow as any client would. Fails: with the run's own failure. */
export async function demoRun<Result extends CommonResult>(scene: DemoScene, type: WorkflowType, input: object = {}): Promise<Result> {
  const result: unknown = await scene.client.workflow.execute(type, {
    workflowId: runWorkflowId(DEMO_DATABASE, type, randomUUID()),
    taskQueue: WORKFLOW_QUEUE,
    args: [{ database: DEMO_DATABASE, requestedBy: 'demo', ...input }],
  });
  return result as Result;
}
