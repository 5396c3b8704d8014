import type { LocalWatcher } from '../worker/local/local-run.ts';
import type { Output } from './output.ts';
import { progressText, type RunProgress } from './run-progress.ts';

const INTERVAL_MS = 500;

/** Shows a run of this very process: its phases as lines, what its steps say of themselves as one that is overwritten. */
export function createLocalWatcher(output: Output): LocalWatcher {
  let before: RunProgress | undefined;
  let beforeMs = 0;
  return {
    phase: (phase) => output.note(phase),
    report: (phase, facts) => {
      const nowMs = performance.now();
      if (nowMs - beforeMs < INTERVAL_MS) return;
      const progress: RunProgress = { step: phase, attempt: 1, facts };
      output.progress(progressText(progress, before, nowMs - beforeMs), progress);
      before = progress;
      beforeMs = nowMs;
    },
  };
}
