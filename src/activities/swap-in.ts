import { join } from 'node:path';
import type { RestorePlan } from '../config/repository-json/restore-plan.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { segmentFileName } from '../core/wal/segment-id.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import { planRollBack, planSwap, type SwapPlan } from '../io/data-directory/swap.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';
import { openOwnerRepository, requireOwner } from './ownership.ts';
import { readPlan } from './plan-restore.ts';
import type { RunPort } from './run-port.ts';
import { type Swapped, swapWithServerDown, type SwapWork } from './swap-wal.ts';

export type SwapInput = { database: string; repository: string; planKey: string; swap: SwapPlan };
export type SwappedIn = Swapped & {
  /** Where the replaced data are, and until when they are kept (Unix ms); absent where there were none. */
  replacedAt?: string;
  replacedKeptUntilMs?: number;
};

/** Names, by inode, what will be swapped: from here on the disk tells which of the two is in place. Twice: the same. */
export const nameSwap =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<SwapPlan> =>
    planSwap(databaseSettings(deps.config, database).dataDir, run.runId);

/**
 * The one step that takes the server down: stops it, swaps wal/, starts it. @see swapWithServerDown
 */
export const swapIn =
  (deps: ActivityDeps) =>
  async (input: SwapInput, run: RunPort): Promise<SwappedIn> => {
    const { work } = await workOf(deps, input, run);
    const swapped = await swapWithServerDown({ ...work, plan: input.swap });
    if (input.swap.oldWal === null) return swapped;
    const { dataDir, safetyCopyMs } = work.settings;
    return { ...swapped, replacedAt: join(dataDir, input.swap.replacedDir), replacedKeptUntilMs: Date.now() + safetyCopyMs };
  };

/**
 * Puts the replaced data back, as long as nothing was written on the restored ones: after that a person decides.
 * Fails: data-directory-replaced, where the files have grown; and like swapIn.
 */
export const rollBack =
  (deps: ActivityDeps) =>
  async (input: SwapInput, run: RunPort): Promise<Swapped> => {
    const { work, plan } = await workOf(deps, input, run);
    const checkAllowed = async (): Promise<void> => {
      await work.checkAllowed();
      await requireUnwritten(join(work.settings.dataDir, 'wal'), plan);
    };
    return swapWithServerDown({ ...work, plan: planRollBack(input.swap), checkAllowed });
  };

async function workOf(deps: ActivityDeps, input: SwapInput, run: RunPort): Promise<{ work: Omit<SwapWork, 'plan'>; plan: RestorePlan }> {
  const { database } = input;
  const settings = databaseSettings(deps.config, database);
  const repository = await deps.openRepository(input.repository);
  const plan = await readPlan(repository, input.planKey);
  const checkAllowed = (): Promise<void> => requireStillOurs(deps, database, run);
  return { work: { deps, database, settings, run, checkAllowed }, plan };
}

/** Fails: cancelled, temporal-unreachable, owner-outdated, repository-unavailable: then the old data are started again. */
async function requireStillOurs(deps: ActivityDeps, database: string, run: RunPort): Promise<void> {
  await run.checkOpen();
  await requireOwner(await openOwnerRepository(deps, database), database, deps.agent);
}

/** Fails: data-directory-replaced. */
async function requireUnwritten(walDir: string, plan: RestorePlan): Promise<void> {
  const restored = new Map(plan.segments.map(({ segment, endBytes }) => [segment, endBytes]));
  const grown = ((await listSegments(walDir)) ?? []).find((file) => file.sizeBytes > (restored.get(file.segment) ?? 0));
  if (grown === undefined) return;
  throw new RstowError(
    'data-directory-replaced',
    `${segmentFileName(grown.segment)} was written after the restore, so the replaced data are not put back by themselves`,
    { details: { walDir, segment: grown.segment } },
  );
}
