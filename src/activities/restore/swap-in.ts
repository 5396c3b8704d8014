import { join } from 'node:path';
import type { RestorePlan } from '../../formats/repository/plans.ts';
import type { DataInPlace } from '../../contract/data-summary.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { segmentFileName } from '../../core/wal/wal-offset.ts';
import { listSegments, type SegmentFile } from '../../io/data-directory/segments.ts';
import { isStillStaged, planRollBack, planSwap, type SwapPlan, whichWalIsInPlace } from '../../io/data-directory/swap.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { plannedExtents, readPlan } from './plan-restore.ts';
import { requireOneWriter } from './restore-target.ts';
import { type KeptTail, storeTail, type TailWanted, writtenTail } from './store-tail.ts';
import { swapWithServerDown, type SwapWork } from '../../database/swap-wal.ts';

export type SwapInput = {
  database: string;
  repository: string;
  planKey: string;
  planHash: string;
  swap: SwapPlan;
  /** What no backup holds of the replaced data becomes one, before they are moved. */
  tail?: TailWanted;
};
export type Swapped = KeptTail & { /** Undefined where another process brought the server up. */ downtimeMs?: number | undefined };

export type SwappedIn = Swapped & {
  /** Where the replaced data are, and until when they are kept (Unix ms); absent where there were none. */
  replacedAt?: string;
  replacedKeptUntilMs?: number;
};

export type RolledBack = Swapped & { inPlace: DataInPlace };

/**
 * Names, by inode, what will be swapped: from here on the disk shows which of the two is in place. Asks beforehand
 * whether the swap may be: here another try costs nothing. Fails: cancelled, temporal-unreachable, owner-outdated,
 * repository-unavailable, service-stop-failed. Twice: the same.
 */
export const nameSwap =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<SwapPlan> => {
    await requireStillOurs(deps, database, run);
    const opened = openDatabase(deps, database);
    await requireOneWriter(opened);
    return planSwap(opened.dataDir, run.runId);
  };

/**
 * The one step that takes the server down: stops it, swaps wal/, starts it. Its failures say which data are in place.
 * Fails, before anything is touched: signature-refused.
 * @see swapWithServerDown
 */
export const swapIn =
  (deps: ActivityDeps) =>
  async (input: SwapInput, run: RunPort): Promise<SwappedIn> => {
    await requireAuthority(deps, run, input);
    const work = workOf(deps, input, run);
    const { dataDir, settings } = work.database;
    const { database, tail } = input;
    const store = (limitMs: number): Promise<KeptTail> =>
      tail === undefined ? Promise.resolve({}) : storeTail(deps, { ...tail, database, limitMs }, run);
    const swap = { ...work, plan: input.swap, beforeSwap: store };
    const { result: kept, downtimeMs } = await reportingDataInPlace(dataDir, input.swap, () => swapWithServerDown(swap));
    if (input.swap.oldWal === null) return { ...kept, downtimeMs };
    return {
      ...(await keptTail(deps, input, { kept, run })),
      downtimeMs,
      replacedAt: join(dataDir, input.swap.replacedDir),
      replacedKeptUntilMs: Date.now() + settings.safetyCopyMs,
    };
  };

/**
 * Puts the replaced data back, as long as nothing was written on the restored ones: after that a person decides. Once
 * the server is stopped, only the disk is asked: no outage may keep the database on data that it can't start on.
 * Fails: data-directory-replaced, where the files have grown; and like swapIn.
 */
export const rollBack =
  (deps: ActivityDeps) =>
  async (input: SwapInput, run: RunPort): Promise<RolledBack> => {
    await requireAuthority(deps, run, input);
    const work = workOf(deps, input, run);
    const plan = await readPlan(deps, input);
    const { dataDir, walDir } = work.database;
    const checkAllowed = (): Promise<void> => requireUnwritten(walDir, plan);
    const askFirst = async (): Promise<void> => {
      await work.askFirst();
      await checkAllowed();
    };
    const back = { ...work, plan: planRollBack(input.swap), askFirst, checkAllowed };
    const { downtimeMs } = await reportingDataInPlace(dataDir, input.swap, () => swapWithServerDown(back));
    const inPlace = await dataInPlace(dataDir, input.swap);
    return { downtimeMs, inPlace };
  };

/** If an earlier attempt has swapped, it has stored the tail as well. */
async function keptTail(
  deps: ActivityDeps,
  { database, tail }: SwapInput,
  { kept, run }: { kept: KeptTail | undefined; run: RunPort },
): Promise<KeptTail> {
  if (tail === undefined || kept?.savedAs !== undefined || kept?.unsaved !== undefined) return kept ?? {};
  return { savedAs: await writtenTail(deps, { database, ...tail }, run).catch(() => undefined) };
}

function workOf(deps: ActivityDeps, { database }: SwapInput, run: RunPort): Omit<SwapWork<KeptTail>, 'plan'> {
  const ask = (): Promise<void> => requireStillOurs(deps, database, run);
  return { database: openDatabase(deps, database), run, askFirst: ask, checkAllowed: ask };
}

async function reportingDataInPlace<T>(dataDir: string, swap: SwapPlan, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    const details = { ...error.details, dataInPlace: await dataInPlace(dataDir, swap) };
    throw new RstowError(error.code, error.message, { details, cause: error });
  }
}

/** As the disk shows. */
async function dataInPlace(dataDir: string, swap: SwapPlan): Promise<DataInPlace> {
  const inPlace = await whichWalIsInPlace(dataDir, swap);
  if (inPlace === 'new') return 'restored';
  if (inPlace !== 'old') return 'unknown';
  return (await isStillStaged(dataDir, swap)) ? 'never-replaced' : 'replaced';
}

/** Fails: cancelled, temporal-unreachable, owner-outdated, repository-unavailable: then the old data stay. */
async function requireStillOurs(deps: ActivityDeps, database: string, run: RunPort): Promise<void> {
  await run.checkOpen();
  await deps.catalogueOf(database).owner.require();
}

/** Fails: data-directory-replaced. */
async function requireUnwritten(walDir: string, plan: RestorePlan): Promise<void> {
  const restored = new Map(plannedExtents(plan).map(({ segment, endBytes }) => [segment, endBytes]));
  // A server writes behind what it started on, and so never in a baseline, whose size the plan could not know.
  const isGrown = ({ segment, sizeBytes }: SegmentFile): boolean =>
    segment !== plan.baseline?.segment && sizeBytes > (restored.get(segment) ?? 0);
  const grown = ((await listSegments(walDir)) ?? []).find(isGrown);
  if (grown === undefined) return;
  throw new RstowError(
    'data-directory-replaced',
    `${segmentFileName(grown.segment)} was written after the restore, so the replaced data are not put back automatically`,
    { details: { walDir, segment: grown.segment } },
  );
}
