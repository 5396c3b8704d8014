import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { PROGRESS_QUERY } from '../contract/names.ts';
import type { Progress } from '../contract/progress.ts';
import type { CommonResult } from '../contract/result.ts';
import type { Output } from './output.ts';
import { progressText, type RunProgress, runProgress } from './run-progress.ts';

export type WatchEnd = { kind: 'ended'; result: CommonResult } | { kind: 'detached' };

const POLL_MS = 1000;

/**
 * Waits for the run's end and shows where it is; Ctrl-C ends the watching, at once, and not the run.
 * Fails: with the run's own failure.
 */
export async function watchRun(client: Client, handle: WorkflowHandle, output: Output): Promise<WatchEnd> {
  const watching = new AbortController();
  const { promise: detached, resolve: detach } = Promise.withResolvers<WatchEnd>();
  const onInterrupt = (): void => detach({ kind: 'detached' });
  process.once('SIGINT', onInterrupt);
  const showing = showProgress(handle, output, watching.signal);
  try {
    const result = client.withAbortSignal(watching.signal, () => handle.result());
    const ended = result.then((value): WatchEnd => ({ kind: 'ended', result: value as CommonResult }));
    return await Promise.race([ended, detached]);
  } finally {
    process.off('SIGINT', onInterrupt);
    watching.abort();
    await showing;
    output.endProgress();
  }
}

/** A describe that fails shows nothing: the result's own wait says what is wrong. */
async function showProgress(handle: WorkflowHandle, output: Output, signal: AbortSignal): Promise<void> {
  const showIdle = idleShower(handle, output);
  let before: RunProgress | undefined;
  let beforeMs = performance.now();
  for (;;) {
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    const description = await handle.describe().catch(() => undefined);
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may be aborted while we asked
    if (description === undefined || signal.aborted) continue;
    const progress = runProgress(description);
    const nowMs = performance.now();
    if (progress === undefined) await showIdle(description);
    else output.progress(progressText(progress, before, nowMs - beforeMs), { workflowId: handle.workflowId, ...progress });
    before = progress;
    beforeMs = nowMs;
  }
}

/** Where no step is at work, the run itself says where it is; what it waits for is told once, on a line that stays. */
function idleShower(handle: WorkflowHandle, output: Output): (description: WorkflowExecutionDescription) => Promise<void> {
  const { workflowId } = handle;
  let told: string | undefined;
  return async (description) => {
    if (waitsForAgent(description)) {
      output.progress('waiting for an agent to take the run up', { workflowId });
      return;
    }
    const progress = await handle.query<Progress>(PROGRESS_QUERY).catch(() => undefined);
    const { phase = 'between two steps', waitsFor } = progress ?? {};
    if (waitsFor !== undefined && waitsFor !== told) output.note(`${phase}: ${waitsFor}`);
    told = waitsFor;
    output.progress(phase, { workflowId, ...progress });
  };
}

function waitsForAgent({ raw: { pendingWorkflowTask: task } }: WorkflowExecutionDescription): boolean {
  return task !== undefined && task !== null && !task.startedTime;
}
