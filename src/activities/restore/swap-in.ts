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
import { carryInto } from './carry-over.ts';
import { scanSegment } from '../backup/segment-scan.ts';
import { readPlan } from './find-backup.ts';
import { plannedExtents } from './plan-restore.ts';
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
  /** Of a rebase: what that has goes over into the new log as well. */
  isRebase?: boolean | undefined;
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
    // Read while the server still runs: once it is stopped, only the tail needs the repository.
    const rebase = input.isRebase === true ? await readPlan(deps, input) : undefined;
    const store = (limitMs: number): Promise<KeptTail> =>
      tail === undefined ? Promise.resolve({}) : storeTail(deps, { ...tail, database, limitMs }, run);
    const keep = async (limitMs: number): Promise<KeptTail> => {
      const kept = await store(limitMs);
      if (rebase !== undefined) await carryTail(rebase, { kept, swap: input.swap, dataDir, signal: run.signal });
      return kept;
    };
    const swap = { ...work, plan: input.swap, beforeSwap: keep };
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
    const carried = plan.isRebase === true ? join(dataDir, input.swap.replacedDir, 'wal') : undefined;
    const checkAllowed = (): Promise<void> => requireUnwritten(walDir, plan, carried);
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

type Carrying = { kept: KeptTail; swap: SwapPlan; dataDir: string; signal: AbortSignal };

/** Nothing that was acknowledged may be missing in the new log. Fails: as `carryInto`; source-damaged, if the old one can't be read to its end. */
async function carryTail(plan: RestorePlan, { kept, swap, dataDir, signal }: Carrying): Promise<void> {
  if (kept.unsaved !== undefined) throw new RstowError('source-damaged', `the log in place can't be carried over: ${kept.unsaved.message}`);
  await carryInto(plan, { walDir: join(dataDir, 'wal'), stagedDir: join(dataDir, swap.stagedWal) }, signal);
}

/** `carriedFrom`: the log whose end was carried over. Fails: data-directory-replaced. */
async function requireUnwritten(walDir: string, plan: RestorePlan, carriedFrom: string | undefined): Promise<void> {
  const restored = new Map(plannedExtents(plan).map(({ segment, endBytes }) => [segment, endBytes]));
  const last = Math.max(0, ...restored.keys());
  for (const { segment, path, sizeBytes } of carriedFrom === undefined ? [] : ((await listSegments(carriedFrom)) ?? [])) {
    if (segment < last) continue;
    const { end } = await scanSegment({ path, startBytes: restored.get(segment) ?? 0, sizeBytes });
    restored.set(segment, end.positionBytes);
  }
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
