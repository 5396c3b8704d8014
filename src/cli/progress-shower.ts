import type { WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { PROGRESS_QUERY } from '../contract/names.ts';
import type { Progress } from '../contract/progress.ts';
import type { Output } from './output.ts';
import { progressText, type RateSince, type RunProgress, runProgress } from './run-progress.ts';

/** A worker takes a run's next task up in moments; between two steps nobody is waited for. */
const TAKE_UP_MS = 5_000;

/** Shows where a run is, each time it is described. */
export function createProgressShower(handle: WorkflowHandle, output: Output): (description: WorkflowExecutionDescription) => Promise<void> {
  const { workflowId } = handle;
  const tellOnce = createTeller(output);
  let since: RateSince | undefined;
  return async (description) => {
    const nowMs = Date.now();
    const progress = runProgress(description);
    if (progress === undefined) {
      await showIdle(handle, { output, tellOnce, isWaiting: waitsForAgent(description, nowMs) });
      return;
    }
    since = rateSince(since, progress, nowMs);
    if (progress.lastFailure !== undefined) tellOnce(`${progress.step}: failed, and is tried again: ${progress.lastFailure}`);
    output.progress(progressText(progress, since, nowMs), { workflowId, ...progress });
  };
}

/** What stays on the screen is said once, until something else was. */
function createTeller(output: Output): (line: string) => void {
  let told: string | undefined;
  return (line) => {
    if (line !== told) output.note(line);
    told = line;
  };
}

function rateSince(since: RateSince | undefined, { step, facts }: RunProgress, nowMs: number): RateSince | undefined {
  const { doneBytes } = facts;
  if (typeof doneBytes !== 'number') return since?.step === step ? since : undefined;
  return since?.step === step && since.doneBytes <= doneBytes ? since : { step, doneBytes, seenAtMs: nowMs };
}

type Idle = { output: Output; tellOnce: (line: string) => void; isWaiting: boolean };

/** Where no step is at work, the run itself says where it is; what it waits for is told once, on a line that stays. */
async function showIdle(handle: WorkflowHandle, { output, tellOnce, isWaiting }: Idle): Promise<void> {
  const { workflowId } = handle;
  if (isWaiting) {
    output.progress('waiting for an agent to take the run up', { workflowId });
    return;
  }
  const progress = await handle.query<Progress>(PROGRESS_QUERY).catch(() => undefined);
  const { phase = 'between two steps', waitsFor } = progress ?? {};
  if (waitsFor !== undefined) tellOnce(`${phase}: ${waitsFor}`);
  output.progress(phase, { workflowId, ...progress });
}

/** Whether the run's next task has been waiting for a worker for some seconds. */
export function waitsForAgent({ raw: { pendingWorkflowTask: task } }: WorkflowExecutionDescription, nowMs: number): boolean {
  if (task === undefined || task === null || task.startedTime) return false;
  return nowMs - Number(task.scheduledTime?.seconds ?? nowMs / 1000) * 1000 > TAKE_UP_MS;
}
