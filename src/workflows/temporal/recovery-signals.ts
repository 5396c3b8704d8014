import { CancellationScope, defineSignal, isCancellation, setHandler } from '@temporalio/workflow';
import type { DisasterRecoveryInput, DisasterRecoveryResult } from '../../contract/disaster-recovery.ts';
import { ABORT_SIGNAL, REQUEST_RECOVERY_SIGNAL } from '../../contract/messages.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Engine } from '../engine.ts';
import type { Run } from './run.ts';

const requestRecovery = defineSignal<[unknown]>(REQUEST_RECOVERY_SIGNAL);
const abort = defineSignal(ABORT_SIGNAL);

type Recipe = (input: DisasterRecoveryInput, engine: Engine) => Promise<DisasterRecoveryResult>;
type OfRun = (input: DisasterRecoveryInput, engine: Engine, run: Run) => Promise<DisasterRecoveryResult>;

/**
 * The recipe of a recovery, with its signals. Other services ask for it by signal-with-start under one id: the first
 * request counts, later ones are counted.
 */
export function withRecoverySignals(recipe: Recipe): OfRun {
  return async (input, engine, run) => {
    const requests = countRequests();
    const result = await unlessAborted(run, () => recipe(input, engine));
    return result.outcome === 'not-needed' ? result : { ...result, laterRequests: requests.later() };
  };
}

/** The first signal came with the start, and is the request itself; a start without one counts the next as such. */
function countRequests(): { later(): number } {
  let signals = 0;
  setHandler(requestRecovery, () => {
    signals += 1;
  });
  return { later: () => Math.max(0, signals - 1) };
}

/** The signal is heeded as a cancellation is: until the old data are moved. Fails: cancelled. */
async function unlessAborted<T>(run: Run, work: () => Promise<T>): Promise<T> {
  const scope = new CancellationScope();
  const signals = { isAborted: false };
  setHandler(abort, () => {
    signals.isAborted = true;
    scope.cancel();
  });
  try {
    return await scope.run(work);
  } catch (error) {
    if (!signals.isAborted || !isCancellation(error)) throw error;
    throw new RstowError('cancelled', `the recovery was aborted at: ${run.progress.phase}`);
  }
}
