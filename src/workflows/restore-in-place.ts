import { ApplicationFailure, CancellationScope } from '@temporalio/workflow';
import type { Place } from '../activities/locate.ts';
import type { SwapInput, SwappedIn } from '../activities/swap-in.ts';
import { ROLLED_BACK_CODES } from '../contract/restore.ts';
import type { Warning } from '../contract/result.ts';
import { cleanup, step } from './activity-proxies.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';

export type SwapOutcome = SwappedIn & { warnings: Warning[] };

/**
 * The part of a restore that takes the server down. Should the restored server not start, or show another state than
 * the backup's, the replaced data come back, and the run fails saying so.
 */
export async function swapInPlace(run: Run, place: Place, plan: Omit<SwapInput, 'database' | 'swap'>): Promise<SwapOutcome> {
  const { database } = run;
  const swap = await step(place).nameSwap({ database });
  const input: SwapInput = { database, ...plan, swap };
  run.phase('swapping: the server is down', 'the server to stop, the swap, and the server to answer');
  try {
    const swapped = await cleanup(place).swapIn(input);
    run.phase('comparing the restored state over the wire');
    const { warnings } = await step(place).verifyLive({ database, ...plan });
    return { ...swapped, warnings };
  } catch (error) {
    throw (await rolledBack(run, place, { input, error })) ?? error;
  }
}

/** The run's failure after a roll-back; undefined where there is nothing to roll back. */
async function rolledBack(run: Run, place: Place, of: { input: SwapInput; error: unknown }): Promise<ApplicationFailure | undefined> {
  const failure = runFailure(of.error);
  if (!(failure instanceof ApplicationFailure) || !ROLLED_BACK_CODES.includes(failure.type ?? '') || of.input.swap.oldWal === null)
    return undefined;
  run.phase('rolling back: the replaced data come back', 'the server to answer on the replaced data');
  const outcome = await CancellationScope.nonCancellable(async () => {
    try {
      await cleanup(place).rollBack(of.input);
      return 'the replaced data are back in place';
    } catch (error) {
      return outcomeOfFailed(runFailure(error));
    }
  });
  return ApplicationFailure.create({
    message: `${failure.message}; ${outcome}`,
    type: failure.type ?? 'failed',
    nonRetryable: true,
    details: failure.details ?? [],
    cause: failure,
  });
}

/** A server is started last: one that doesn't start finds the replaced data in place, and the watchdog goes on trying. */
function outcomeOfFailed(rollBack: unknown): string {
  const reason = rollBack instanceof Error ? rollBack.message : String(rollBack);
  const isInPlace = rollBack instanceof ApplicationFailure && rollBack.type === 'service-start-failed';
  return isInPlace
    ? `the replaced data are back in place, but no server starts on them either: ${reason}`
    : `and the replaced data could not be put back: ${reason}`;
}
