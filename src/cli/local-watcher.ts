import type { RunStep } from '../client/rstow-client.ts';
import type { LocalWatcher } from '../local/local-run.ts';
import type { Output } from './output.ts';
import { progressText, type RateSince } from './run-progress.ts';

const INTERVAL_MS = 500;

/** Shows a run of this very process: its phases as lines, what its steps say of themselves as one that is overwritten. */
export function createLocalWatcher(output: Output): LocalWatcher {
  let since: RateSince | undefined;
  let shownAtMs = 0;
  return {
    phase: (phase) => output.note(phase),
    report: (phase, facts) => {
      const nowMs = Date.now();
      if (nowMs - shownAtMs < INTERVAL_MS) return;
      const progress: RunStep = { step: phase, attempt: 1, facts };
      if (since?.step !== phase && typeof facts.doneBytes === 'number')
        since = { step: phase, doneBytes: facts.doneBytes, seenAtMs: nowMs };
      output.progress(progressText(progress, since, nowMs), progress);
      shownAtMs = nowMs;
    },
  };
}
