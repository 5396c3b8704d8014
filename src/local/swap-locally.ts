import type { TailWanted } from '../activities/restore/store-tail.ts';
import type { SwapInput, SwappedIn } from '../activities/restore/swap-in.ts';
import { type DataInPlace, notRolledBackClause, restoredInPlaceClause, rolledBackClause } from '../contract/data-in-place.ts';
import { ROLLED_BACK_CODES } from '../contract/restore.ts';
import type { Warning } from '../contract/result.ts';
import { type ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';
import type { LocalRun } from './local-run.ts';

/**
 * The part of a restore that takes the server down. Should the restored server not start, or show another state than
 * the backup's, the replaced data come back. Every failure says which data are in place. Once the new data are in, a
 * person who interrupts waits for the comparison.
 * @see src/workflows/restore-in-place.ts
 */
export async function swapLocally(
  run: LocalRun,
  plan: Required<Omit<SwapInput, 'swap'>>,
): Promise<Omit<SwappedIn, 'unsaved'> & { warnings: Warning[] }> {
  const { database, repository, planKey } = plan;
  await storeReplaced(run, { database, ...plan.tail });
  const input: SwapInput = { ...plan, swap: await run.steps.nameSwap({ database }) };
  run.phase('swapping the data: the server is stopped and started again');
  let swapped: SwappedIn | undefined;
  try {
    swapped = await run.steps.swapIn(input);
    run.phase('comparing the restored state over the wire');
    const { warnings } = await run.cleanup.verifyLive({ database, repository, planKey });
    const { unsaved, ...rest } = swapped;
    return { ...rest, warnings: unsaved === undefined ? warnings : [unsaved, ...warnings] };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    if (ROLLED_BACK_CODES.includes(error.code) && input.swap.oldWal !== null) throw await rolledBack(run, input, error);
    throw swapped === undefined ? error : restoredInPlace(error, swapped);
  }
}

/** What no backup holds of the data in place, while the server still runs. Fails where it is required and can't be stored. */
export async function storeReplaced(run: LocalRun, { database, repository, isRequired }: { database: string } & TailWanted): Promise<void> {
  run.phase('storing what no backup holds of the data in place');
  try {
    await run.steps.storeReplaced({ database, repository });
  } catch (error) {
    if (isRequired || !(error instanceof RstowError)) throw error;
    run.phase(`what is replaced could not be stored before: ${error.message}`);
  }
}

/** The failure after a roll-back. */
async function rolledBack(run: LocalRun, input: SwapInput, failure: RstowError): Promise<RstowError> {
  run.phase('rolling back: the replaced data come back');
  try {
    const { inPlace } = await run.cleanup.rollBack(input);
    return withClause(failure, rolledBackClause(inPlace), { dataInPlace: inPlace });
  } catch (error) {
    return notRolledBack(failure, error);
  }
}

function notRolledBack(failure: RstowError, error: unknown): RstowError {
  if (!(error instanceof RstowError)) throw error;
  const { code, message, details } = error;
  const dataInPlace = (details['dataInPlace'] ?? 'unknown') as DataInPlace;
  return withClause(failure, notRolledBackClause({ code, sentence: `${code}: ${message}`, dataInPlace }), { dataInPlace });
}

function restoredInPlace(failure: RstowError, { replacedAt }: SwappedIn): RstowError {
  const details = { dataInPlace: 'restored', ...(replacedAt === undefined ? {} : { replacedAt }) };
  return withClause(failure, restoredInPlaceClause(replacedAt), details);
}

function withClause(failure: RstowError, clause: string, details: ErrorDetails): RstowError {
  const all = { ...failure.details, ...details };
  return new RstowError(failure.code, `${failure.message}; ${clause}`, { details: all, cause: failure });
}
