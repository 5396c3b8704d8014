import { CancellationScope, isCancellation, log, sleep } from '@temporalio/workflow';
import { RstowError, sentenceOf } from '../../core/errors/rstow-error.ts';
import type { Engine, Places } from '../engine.ts';
import { cleanup, comparison, lockedTransfer, inspection, restart, step, survey, swap, swapBack, transfer } from './activity-proxies.ts';
import { onceAgreed, onceRequested } from './approval.ts';
import { isSilent } from './failures.ts';
import { withDatabaseLock, withDatabaseLockFirst } from './lock.ts';
import { hostsIfThere, ownerIfStillThere, placeAnywhere, placeOfAgent, placeOfDatabase } from './places.ts';
import type { Run } from './run.ts';
import { giveUpTime, onceReady } from './waiting.ts';

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
    steps: step,
    transfers: transfer,
    lockedTransfers: lockedTransfer,
    comparisons: comparison,
    cleanups: cleanup,
    surveys: survey,
    restarts: restart,
    swaps: swap,
    swapsBack: swapBack,
    inspections: inspection,
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
