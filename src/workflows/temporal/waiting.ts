import { makeContinueAsNewFunc, sleep, workflowInfo } from '@temporalio/workflow';
import type { Place } from '../../activities/catalogue/locate.ts';
import { GIVE_UP_MEMO } from '../../contract/names.ts';
import { passingReason } from './failures.ts';
import { isScheduled } from './lock.ts';
import type { Run } from './run.ts';

/** Of a run whose schedule doesn't say its interval. */
const SCHEDULED_GIVE_UP_MS = 900_000;
const RETRY_MS = 15_000;

/** A person is told soon what doesn't work; a run of a schedule tries for as long as its interval. Unix ms. */
export function giveUpTime(run: Run): number {
  if (!isScheduled()) return run.startedAtMs;
  const { [GIVE_UP_MEMO]: giveUpMs } = workflowInfo().memo ?? {};
  return run.startedAtMs + (typeof giveUpMs === 'number' ? giveUpMs : SCHEDULED_GIVE_UP_MS);
}

type Ready<T> = { place: Place; check: () => Promise<unknown>; work: () => Promise<T> };

/** Works once the check holds, and begins the whole run again if something is missing on the way, within the same time. */
export async function onceReady<T>(run: Run, { place, check, work }: Ready<T>): Promise<T> {
  await untilReady(run, check);
  try {
    return await work();
  } catch (error) {
    const reason = passingReason(error);
    const { retryMaxMs } = place.timing;
    if (reason === undefined || Date.now() + retryMaxMs > giveUpTime(run)) throw error;
    // Whoever needs the lock more doesn't wait for a repository to come back: a run of its own waits, without the lock.
    await waitAgain(run, reason, retryMaxMs);
    return beginAgain(run);
  }
}

/** Fails: as the check does, when the time is over. */
async function untilReady(run: Run, check: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      const reason = passingReason(error);
      if (reason === undefined || Date.now() + RETRY_MS > giveUpTime(run)) throw error;
      await waitAgain(run, reason, RETRY_MS);
    }
  }
}

async function waitAgain(run: Run, reason: string, waitMs: number): Promise<void> {
  run.phase('waiting until a backup is possible', `${reason}; the next try is at ${new Date(Date.now() + waitMs).toISOString()}`);
  await sleep(waitMs, { summary: `then check again: ${reason}` });
}

/** A run of its own, for the time that is left: each run's time counts from its own start. */
function beginAgain(run: Run): Promise<never> {
  const memo = { ...workflowInfo().memo, [GIVE_UP_MEMO]: giveUpTime(run) - Date.now() };
  return makeContinueAsNewFunc<(input: object) => Promise<unknown>>({ memo })(run.input);
}
