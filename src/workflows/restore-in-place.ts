import { ApplicationFailure, CancellationScope, isCancellation, log } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { TailWanted } from '../activities/restore/store-tail.ts';
import type { SwapInput, SwappedIn } from '../activities/restore/swap-in.ts';
import { type DataInPlace, notRolledBackClause, restoredInPlaceClause, rolledBackClause } from '../contract/data-in-place.ts';
import { ROLLED_BACK_CODES } from '../contract/restore.ts';
import type { Warning } from '../contract/result.ts';
import { comparison, lockedTransfer, step, swap, swapBack } from './activity-proxies.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';

export type SwapOutcome = Omit<SwappedIn, 'unsaved'> & { warnings: Warning[] };

type InPlace = Required<Omit<SwapInput, 'database' | 'swap'>>;

/**
 * The part of a restore that takes the server down. Should the restored server not start, or show another state than
 * the backup's, the replaced data come back, and the run fails saying so. Every failure says which data are in place.
 */
export async function swapInPlace(run: Run, place: Place, plan: InPlace): Promise<SwapOutcome> {
  const { database } = run;
  await storeReplaced(run, place, plan.tail);
  const named = await step(place).nameSwap({ database });
  const input: SwapInput = { database, ...plan, swap: named };
  run.isCommitted = true;
  run.phase('swapping the data', 'the server, which is stopped and started again');
  let swapped: SwappedIn | undefined;
  try {
    swapped = await swap(place).swapIn(input);
    run.phase('comparing the restored state over the wire');
    // The new data are in: whoever cancels now waits for the comparison, and gets the result.
    const { repository, planKey } = plan;
    const { warnings } = await CancellationScope.nonCancellable(() => comparison(place).verifyLive({ database, repository, planKey }));
    const { unsaved, ...rest } = swapped;
    return { ...rest, warnings: unsaved === undefined ? warnings : [unsaved, ...warnings] };
  } catch (error) {
    const failure = runFailure(error);
    if (!(failure instanceof ApplicationFailure)) throw error;
    if (ROLLED_BACK_CODES.includes(failure.type ?? '') && named.oldWal !== null) throw await rolledBack(run, place, { input, failure });
    throw swapped === undefined ? error : restoredInPlace(failure, swapped);
  }
}

/**
 * Stores what no backup holds of the data in place while the server still runs, so that little is left to be stored when
 * it doesn't. Where it is required, a repository that can't take it ends the run before anything is touched.
 */
export async function storeReplaced(
  run: Run,
  place: Place,
  { repository, isRequired }: Pick<TailWanted, 'repository' | 'isRequired'>,
): Promise<void> {
  run.phase('storing what no backup holds of the data in place');
  const input = { database: run.database, repository };
  if (isRequired) {
    await lockedTransfer(place).storeReplaced(input);
    return;
  }
  try {
    await comparison(place).storeReplaced(input);
  } catch (error) {
    if (isCancellation(error)) throw error;
    log.warn('what is replaced could not be stored before', { reason: String(runFailure(error)) });
  }
}

/** The run's failure after a roll-back. */
async function rolledBack(run: Run, place: Place, of: { input: SwapInput; failure: ApplicationFailure }): Promise<ApplicationFailure> {
  run.phase('rolling back: the replaced data come back', 'the server to answer on the replaced data');
  return CancellationScope.nonCancellable(async () => {
    try {
      const { inPlace } = await swapBack(place).rollBack(of.input);
      return withClause(of.failure, rolledBackClause(inPlace), { dataInPlace: inPlace });
    } catch (error) {
      return notRolledBack(of.failure, runFailure(error));
    }
  });
}

function notRolledBack(failure: ApplicationFailure, error: unknown): ApplicationFailure {
  const sentence = error instanceof Error ? error.message : String(error);
  const { type, dataInPlace = 'unknown' } = error instanceof ApplicationFailure ? { type: error.type, ...detailsOf(error) } : {};
  return withClause(failure, notRolledBackClause({ code: type ?? 'failed', sentence, dataInPlace }), { dataInPlace });
}

function restoredInPlace(failure: ApplicationFailure, { replacedAt }: SwappedIn): ApplicationFailure {
  const details = { dataInPlace: 'restored' as const, ...(replacedAt === undefined ? {} : { replacedAt }) };
  return withClause(failure, restoredInPlaceClause(replacedAt), details);
}

function withClause(
  failure: ApplicationFailure,
  clause: string,
  details: { dataInPlace: DataInPlace; replacedAt?: string },
): ApplicationFailure {
  return ApplicationFailure.create({
    message: `${failure.message}; ${clause}`,
    type: failure.type ?? 'failed',
    nonRetryable: true,
    details: [{ ...detailsOf(failure), ...details }],
    cause: failure,
  });
}

function detailsOf({ details }: ApplicationFailure): { dataInPlace?: DataInPlace } {
  return details?.[0] ?? {};
}
