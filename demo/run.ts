import { randomUUID } from 'node:crypto';
import { type WorkflowHandle, WorkflowFailedError } from '@temporalio/client';
import { runWorkflowId, WORKFLOW_QUEUE } from '../src/contract/names.ts';
import type { CommonResult } from '../src/contract/result.ts';
import type { WorkflowType } from '../src/contract/workflow-types.ts';
import { RstowError } from '../src/core/errors/rstow-error.ts';
import { DEMO_DATABASE, type DemoScene } from './scene.ts';

/** Starts one workflow as any client would. */
export async function startDemoRun(scene: DemoScene, type: WorkflowType, input: object = {}): Promise<WorkflowHandle> {
  return scene.client.workflow.start(type, {
    workflowId: runWorkflowId(DEMO_DATABASE, type, randomUUID()),
    taskQueue: WORKFLOW_QUEUE,
    args: [{ database: DEMO_DATABASE, requestedBy: 'demo', reason: 'demo', ...input }],
  });
}

/** Runs one workflow to its end. Fails: with the run's own failure. */
export async function demoRun<Result extends CommonResult>(scene: DemoScene, type: WorkflowType, input: object = {}): Promise<Result> {
  const handle = await startDemoRun(scene, type, input);
  return (await handle.result()) as Result;
}

/** A run's own failure as it crosses Temporal: the message begins with the code. */
export type DemoFailure = { type: string; message: string; details: Record<string, unknown> };

/** Runs one workflow that must fail. Fails: `failed`, if it does not. */
export async function failingDemoRun(scene: DemoScene, type: WorkflowType, input: object = {}): Promise<DemoFailure> {
  try {
    await demoRun(scene, type, input);
  } catch (error) {
    const failure = runFailureOf(error);
    if (failure !== undefined) return failure;
    throw error;
  }
  throw new RstowError('failed', `the ${type} should have failed, and did not`);
}

/** Undefined for what is no failure of a run. */
export function runFailureOf(error: unknown): DemoFailure | undefined {
  if (!(error instanceof WorkflowFailedError)) return undefined;
  const { type, message, details } = error.cause as { type?: string | null; message: string; details?: unknown[] | null };
  return { type: type ?? 'failed', message, details: (details?.[0] ?? {}) as Record<string, unknown> };
}
