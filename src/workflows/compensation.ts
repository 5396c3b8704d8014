import { CancellationScope, log } from '@temporalio/workflow';
import { runFailure } from './run-failure.ts';

/**
 * What has to follow a step whether it held, failed or was cancelled. A failure of its own never hides the run's outcome:
 * it is told in the log, and the agent's housekeeping clears what was left.
 */
export async function compensate(what: string, action: () => Promise<unknown>): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    try {
      await action();
    } catch (error) {
      const failure = runFailure(error);
      log.warn(`${what} failed`, { reason: failure instanceof Error ? failure.message : String(failure) });
    }
  });
}
