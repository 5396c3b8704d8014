import type { Activities } from '../activities/activities.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRestore, PlanRestoreInput } from '../activities/restore/plan-restore.ts';
import type { Rehearsed } from '../activities/restore/rehearse.ts';
import type { StagedWal } from '../activities/restore/stage-wal.ts';
import type { TailWanted } from '../activities/restore/store-tail.ts';
import type { SwapInput, SwappedIn } from '../activities/restore/swap-in.ts';
import { type DataInPlace, notRolledBackClause, restoredInPlaceClause, rolledBackClause } from '../contract/data-summary.ts';
import { ROLLED_BACK_CODES } from '../contract/restore.ts';
import type { Warning } from '../contract/result.ts';
import { type ErrorDetails, RstowError, sentenceOf, withClause } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';

/** Decides what will be done, before anything is touched; asked again, holds the plan against what is there by now. */
export function planRestore(engine: Engine, place: Place, wanted: PlanRestoreInput): Promise<PlannedRestore> {
  return engine.steps(place).planRestore(wanted);
}

type Fetching = { plan: PlannedRestore; /** How long a repository is waited for. */ verbs: Activities; generation?: number };

/** Fetches the planned state beside the data, each record checked, and proves it by replay. */
export function fetchPlanned(engine: Engine, { plan, verbs, generation }: Fetching): Promise<StagedWal> {
  const { repository, planKey, label } = plan;
  engine.phase(`fetching ${label} from ${repository}`);
  return verbs.stageWal({ database: engine.database, repository, planKey, startedAtMs: engine.startedAtMs, generation });
}

/** Proves the fetched state by a real server. */
export function rehearse(engine: Engine, place: Place, { repository, planKey }: PlannedRestore): Promise<Rehearsed> {
  engine.phase('rehearsing: a real server boots on the restored files');
  return engine.transfers(place).rehearse({ database: engine.database, repository, planKey });
}

/** Clears what was fetched and did not go in. */
export function clearStaged(engine: Engine, place: Place, { dataDir }: PlannedRestore): Promise<void> {
  return engine.compensate('clearing the staged files', () => engine.cleanups(place).clearStaging({ dataDir }));
}

export type SwapOutcome = Omit<SwappedIn, 'unsaved'> & { warnings: Warning[] };

type InPlace = Required<Omit<SwapInput, 'database' | 'swap' | 'isRebase'>> & Pick<SwapInput, 'isRebase'>;

/**
 * The part of a restore that takes the server down. Should the restored server not start, or show another state than
 * the backup's, the replaced data come back, and the run fails saying so. Every failure says which data are in place.
 */
export async function swapInPlace(engine: Engine, place: Place, plan: InPlace): Promise<SwapOutcome> {
  const { database } = engine;
  const { repository, planKey } = plan;
  await storeReplaced(engine, place, plan.tail);
  const swap = await engine.steps(place).nameSwap({ database });
  const input: SwapInput = { database, ...plan, swap };
  engine.commit();
  engine.phase('swapping the data', 'the server, which is stopped and started again');
  let swapped: SwappedIn | undefined;
  try {
    swapped = await engine.swaps(place).swapIn(input);
    engine.phase('comparing the restored state over the wire');
    // The new data are in: whoever cancels now waits for the comparison, and gets the result.
    const carried = plan.isRebase === true ? swapped.savedAs : undefined;
    const verified = { database, repository, planKey, carried };
    const { warnings } = await engine.uninterrupted(() => engine.comparisons(place).verifyLive(verified));
    const { unsaved, ...rest } = swapped;
    return { ...rest, warnings: unsaved === undefined ? warnings : [unsaved, ...warnings] };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    if (ROLLED_BACK_CODES.includes(error.code) && swap.oldWal !== null) throw await rolledBack(engine, place, { input, error });
    throw swapped === undefined ? error : restoredInPlace(error, swapped);
  }
}

/**
 * Stores what no backup holds of the data in place while the server still runs, so that little is left to be stored when
 * it doesn't. Where it is required, a repository that can't take it ends the run before anything is touched.
 */
export async function storeReplaced(engine: Engine, place: Place, { repository, isRequired }: ReplacedWanted): Promise<void> {
  engine.phase('storing what no backup holds of the data in place');
  const input = { database: engine.database, repository };
  if (isRequired) {
    await engine.lockedTransfers(place).storeReplaced(input);
    return;
  }
  try {
    await engine.comparisons(place).storeReplaced(input);
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    engine.note('storing what is replaced', error);
  }
}

type ReplacedWanted = Pick<TailWanted, 'repository' | 'isRequired'>;

/** Carries over what clients have written since the backup of a rebase, so that little is left for when the server is stopped. */
export function carryOver(engine: Engine, place: Place, { repository, planKey }: PlannedRestore): Promise<unknown> {
  engine.phase('carrying over what was written meanwhile');
  return engine.lockedTransfers(place).carryOver({ database: engine.database, repository, planKey });
}

/** The run's failure after a roll-back. */
async function rolledBack(engine: Engine, place: Place, of: { input: SwapInput; error: RstowError }): Promise<RstowError> {
  engine.phase('rolling back: the replaced data come back', 'the server to answer on the replaced data');
  return engine.uninterrupted(async () => {
    try {
      const { inPlace } = await engine.swapsBack(place).rollBack(of.input);
      return withClause(of.error, rolledBackClause(inPlace), { dataInPlace: inPlace });
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      return notRolledBack(of.error, error);
    }
  });
}

function notRolledBack(failure: RstowError, error: RstowError): RstowError {
  const dataInPlace = (error.details['dataInPlace'] ?? 'unknown') as DataInPlace;
  return withClause(failure, notRolledBackClause({ code: error.code, sentence: sentenceOf(error), dataInPlace }), { dataInPlace });
}

function restoredInPlace(failure: RstowError, { replacedAt }: SwappedIn): RstowError {
  const details: ErrorDetails = { dataInPlace: 'restored' };
  if (replacedAt !== undefined) details['replacedAt'] = replacedAt;
  return withClause(failure, restoredInPlaceClause(replacedAt), details);
}
