import type { SwapInput, SwappedIn } from '../../activities/swap-in.ts';
import { ROLLED_BACK_CODES } from '../../contract/restore.ts';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { LocalRun } from './local-run.ts';

/**
 * The part of a restore that takes the server down. Should the restored server not start, or show another state than
 * the backup's, the replaced data come back. Once the new data are in, a person who interrupts waits for the comparison.
 * @see src/workflows/restore-in-place.ts
 */
export async function swapLocally(run: LocalRun, plan: Omit<SwapInput, 'swap'>): Promise<SwappedIn & { warnings: Warning[] }> {
  const input: SwapInput = { ...plan, swap: await run.steps.nameSwap({ database: plan.database }) };
  run.phase('swapping: the server is down');
  try {
    const swapped = await run.steps.swapIn(input);
    run.phase('comparing the restored state over the wire');
    const { warnings } = await run.cleanup.verifyLive(plan);
    return { ...swapped, warnings };
  } catch (error) {
    throw await rolledBack(run, input, error);
  }
}

/** The failure after a roll-back; the same one where there is nothing to roll back. */
async function rolledBack(run: LocalRun, input: SwapInput, error: unknown): Promise<unknown> {
  if (!(error instanceof RstowError) || !ROLLED_BACK_CODES.includes(error.code) || input.swap.oldWal === null) return error;
  run.phase('rolling back: the replaced data come back');
  const outcome = await run.cleanup.rollBack(input).then(
    () => 'the replaced data are back in place',
    (reason: unknown) => `and the replaced data could not be put back: ${sentenceOf(reason)}`,
  );
  return new RstowError(error.code, `${error.message}; ${outcome}`, { details: error.details, cause: error });
}

function sentenceOf(error: unknown): string {
  return error instanceof RstowError ? `${error.code}: ${error.message}` : String(error);
}
