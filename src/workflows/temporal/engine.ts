import { timeText } from '../../core/text/figures.ts';
import { CancellationScope, isCancellation, log, makeContinueAsNewFunc, sleep, workflowInfo } from '@temporalio/workflow';
import { RstowError, sentenceOf } from '../../core/errors/rstow-error.ts';
import type { Engine, Places } from '../engine.ts';
import {
  archive,
  check,
  cleanup,
  comparison,
  inspection,
  lockedTransfer,
  restart,
  step,
  survey,
  swap,
  swapBack,
  transfer,
} from './activity-proxies.ts';
import { onceAgreed, onceRequested } from './approval.ts';
import { isSilent, passingReason } from './failures.ts';
import { isScheduled, withDatabaseLock, withDatabaseLockFirst } from './lock.ts';
import { hostsIfThere, ownerIfStillThere, placeAnywhere, placeOfAgent, placeOfDatabase } from './places.ts';
import type { Run } from './run.ts';
import type { Place } from '../../activities/catalogue/locate.ts';
import { GIVE_UP_MEMO } from '../../contract/names.ts';

const KINDS_OF_VERBS = {
  steps: step,
  transfers: transfer,
  lockedTransfers: lockedTransfer,
  archives: archive,
  comparisons: comparison,
  cleanups: cleanup,
  surveys: survey,
  checks: check,
  restarts: restart,
  swaps: swap,
  swapsBack: swapBack,
  inspections: inspection,
};

/** Recipes as Temporal runs them: durable, each verb an activity of the place that is named. */
export function temporalEngine(run: Run): Engine {
  const { database, runId, startedAtMs } = run;
  return {
    database,
    runId,
    startedAtMs,
    places: placesFor(run),
    phase: (phase, waitsFor) => run.phase(phase, waitsFor),
    note,
    placed: (place) => run.placed(place),
    commit: () => {
      run.isCommitted = true;
    },
    ...KINDS_OF_VERBS,
    onceReady: (place, check, work) => onceReady(run, { place, check, work }),
    exclusive: (place, work) => withDatabaseLock(run, place, work),
    exclusiveFirst: (place, work) => withDatabaseLockFirst(run, place, work),
    requested: (asked, work) => onceRequested(run, asked, work),
    agreed: (planned, work) => onceAgreed(run, planned, work),
    firstBackup: (take) => take(),
    uninterrupted: (work) => CancellationScope.nonCancellable(work),
    compensate,
    now: () => Date.now(),
    // The sandbox's own random numbers are part of the history: a replay draws the same.
    chance: () => Math.random(),
    sleep: (waitMs) => sleep(waitMs),
    isCancelled: isCancellation,
    isSilent,
  };
}

function placesFor(run: Run): Places {
  return {
    owner: (database) => placeOfDatabase(database),
    ownerInTime: (database) => placeOfDatabase(database, { waitMs: giveUpTime(run) - Date.now() }),
    agent: placeOfAgent,
    anywhere: placeAnywhere,
    hosts: hostsIfThere,
    ownerIfStillThere,
  };
}

function note(what: string, error: unknown): void {
  log.warn(`${what} failed`, { reason: error instanceof RstowError ? sentenceOf(error) : String(error) });
}

/** A failure of its own never hides the run's outcome: the agent's housekeeping clears what was left. */
async function compensate(what: string, work: () => Promise<unknown>): Promise<void> {
  await CancellationScope.nonCancellable(async () => {
    try {
      await work();
    } catch (error) {
      note(what, error);
    }
  });
}

/** Of a run whose schedule doesn't say its interval. */
const SCHEDULED_GIVE_UP_MS = 900_000;
const RETRY_MS = 15_000;

/** A person hears soon what doesn't work; a run of a schedule tries for as long as its interval. Unix ms. */
function giveUpTime(run: Run): number {
  if (!isScheduled()) return run.startedAtMs;
  const { [GIVE_UP_MEMO]: giveUpMs } = workflowInfo().memo ?? {};
  return run.startedAtMs + (typeof giveUpMs === 'number' ? giveUpMs : SCHEDULED_GIVE_UP_MS);
}

type Ready<T> = { place: Place; check: () => Promise<unknown>; work: () => Promise<T> };

/** Works once the check holds, and begins the whole run again if something is missing on the way, within the same time. */
async function onceReady<T>(run: Run, { place, check, work }: Ready<T>): Promise<T> {
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
  run.phase('waiting until a backup is possible', `${reason}; the next try is at ${timeText(Date.now() + waitMs)}`);
  await sleep(waitMs, { summary: `then check again: ${reason}` });
}

/** A run of its own, for the time that is left: each run's time counts from its own start. */
function beginAgain(run: Run): Promise<never> {
  const memo = { ...workflowInfo().memo, [GIVE_UP_MEMO]: giveUpTime(run) - Date.now() };
  return makeContinueAsNewFunc<(input: object) => Promise<unknown>>({ memo })(run.input);
}
