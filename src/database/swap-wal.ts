import { setTimeout as delay } from 'node:timers/promises';
import { assert, RstowError } from '../core/errors/rstow-error.ts';
import { writeStopNote } from '../io/data-directory/rstow-folder.ts';
import { foreignWal, type SwapPlan, swapWal, whichWalIsInPlace } from '../io/data-directory/swap.ts';
import type { Database } from './database.ts';
import { type BroughtUp, type Down, type DownRun, withServerDown } from './server-down.ts';

export type SwapWork<Kept> = {
  database: Database;
  plan: SwapPlan;
  run: DownRun;
  /** Asked while the server still runs, so that a no costs nothing. */
  askFirst: () => Promise<void>;
  /** Asked again right before the first rename, the step that can't be taken back by starting the old data. */
  checkAllowed: () => Promise<void>;
  /** Done in about so much time while the server is stopped and can't start, before anything is moved. */
  beforeSwap?: ((limitMs: number) => Promise<Kept>) | undefined;
};

/**
 * Puts the plan's new wal/ in the old one's place, with the server stopped in between.
 * Fails: as `withServerDown`; data-directory-replaced, owner-outdated, temporal-unreachable, repository-unavailable.
 * Twice: the swap goes on, or is found done.
 */
export async function swapWithServerDown<Kept>(work: SwapWork<Kept>): Promise<BroughtUp<Kept | undefined>> {
  const { database, plan, run, askFirst } = work;
  const { oldWal, newWal, stagedWal, replacedDir } = plan;
  return withServerDown({
    database,
    run,
    plan: { kind: 'swap', oldWal, newWal, stagedWal, replacedDir },
    isDone: () => isSwapped(database, plan),
    askFirst,
    whileDown: (down) => swapNow(work, down),
  });
}

/** Fails: data-directory-replaced. */
async function isSwapped({ dataDir }: Database, plan: SwapPlan): Promise<boolean> {
  const inPlace = await whichWalIsInPlace(dataDir, plan);
  if (inPlace === 'foreign') throw foreignWal(dataDir);
  return inPlace === 'new';
}

async function swapNow<Kept>(work: SwapWork<Kept>, { note, shareMs }: Down): Promise<Kept | undefined> {
  const { dataDir } = work.database;
  assert(note.kind === 'swap', 'a swap holds a note of a swap');
  const kept = await work.beforeSwap?.(shareMs(2));
  await checkInTime(work, shareMs(3));
  work.run.signal.throwIfAborted();
  await writeStopNote(dataDir, { ...note, phase: 'swapping' });
  await swapWal(dataDir, note);
  return kept;
}

async function checkInTime({ checkAllowed }: Pick<SwapWork<unknown>, 'checkAllowed'>, limitMs: number): Promise<void> {
  const answered = new AbortController();
  const late = delay(limitMs, undefined, { signal: answered.signal }).then(() => {
    throw new RstowError(
      'temporal-unreachable',
      `Temporal did not say within ${limitMs} ms whether the restore may go on, so the old data stay`,
    );
  });
  try {
    await Promise.race([checkAllowed(), late]);
  } finally {
    answered.abort();
  }
}
