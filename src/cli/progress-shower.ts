import type { RunState, RunStep } from '../client/rstow-client.ts';
import type { Output } from './output.ts';
import { progressText, type RateSince } from './run-progress.ts';

/** Shows where a run is, each time it is asked. */
export function createProgressShower(workflowId: string, output: Output): (state: RunState) => void {
  const tellOnce = createTeller(output);
  let since: RateSince | undefined;
  return ({ isWaitingForAgent, step, progress }) => {
    if (isWaitingForAgent) return output.progress('waiting for an agent to take the run up', { workflowId });
    if (step === undefined) {
      // Where no step is at work, the run itself says where it is; what it waits for is told once, on a line that stays.
      const { phase = 'between two steps', waitsFor } = progress ?? {};
      if (waitsFor !== undefined) tellOnce(`${phase}: ${waitsFor}`);
      return output.progress(phase, { workflowId, ...progress });
    }
    const nowMs = Date.now();
    since = rateSince(since, step, nowMs);
    if (step.lastFailure !== undefined) tellOnce(`${step.step}: failed, and is tried again: ${step.lastFailure}`);
    output.progress(progressText(step, since, nowMs), { workflowId, ...step });
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

function rateSince(since: RateSince | undefined, { step, facts }: RunStep, nowMs: number): RateSince | undefined {
  const { doneBytes } = facts;
  if (typeof doneBytes !== 'number') return since?.step === step ? since : undefined;
  return since?.step === step && since.doneBytes <= doneBytes ? since : { step, doneBytes, seenAtMs: nowMs };
}
