import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineUpdate,
  isCancellation,
  makeContinueAsNewFunc,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArchivedExtents, ArchiveWalInput, ArchiveWalResult } from '../../contract/archive-wal.ts';
import {
  ARCHIVE_NOW_UPDATE,
  type Bandwidth,
  parseBandwidth,
  parsePause,
  type Pause,
  PAUSE_UPDATE,
  RESUME_UPDATE,
  SET_BANDWIDTH_UPDATE,
  WANTED_QUERY,
} from '../../contract/messages.ts';
import type { ArchiveRequests } from '../archive-wal.ts';
import type { Engine } from '../engine.ts';
import { refuseInvalid, runFailure } from './failures.ts';
import type { Run } from './run.ts';

const pauseUpdate = defineUpdate<Pause, [unknown]>(PAUSE_UPDATE);
const resumeUpdate = defineUpdate<null>(RESUME_UPDATE);
const archiveNowUpdate = defineUpdate<ArchivedExtents>(ARCHIVE_NOW_UPDATE);
const setBandwidthUpdate = defineUpdate<Bandwidth, [unknown]>(SET_BANDWIDTH_UPDATE);

const wantedQuery = defineQuery<ArchiveRequests['wanted']>(WANTED_QUERY);

type Recipe = (input: ArchiveWalInput, engine: Engine, requests: ArchiveRequests) => Promise<ArchiveWalResult>;

/** Well below what Temporal warns of: a day of turns of an hour. */
const HISTORY_LENGTH_MAX = 500;

/** The recipe of an archive, with its updates. Temporal has no way from a workflow into a step: whatever is asked ends the step. */
export function withArchiveRequests(recipe: Recipe): (input: ArchiveWalInput, engine: Engine, run: Run) => Promise<ArchiveWalResult> {
  return (input, engine) => recipe(input, engine, takeRequests(input));
}

type Asked = {
  /** Something was, since the work began. */ isPending: boolean;
  scope: CancellationScope | undefined;
  waiting: ((answer: Promise<ArchivedExtents>) => void)[];
};

function takeRequests(input: ArchiveWalInput): ArchiveRequests {
  const { pausedBy, bytesPerSecond } = input;
  const wanted: ArchiveRequests['wanted'] = { pausedBy, bytesPerSecond };
  const asked: Asked = { isPending: false, scope: undefined, waiting: [] };
  const ask = (): void => {
    asked.isPending = true;
    asked.scope?.cancel();
  };
  setHandler(wantedQuery, () => wanted);
  takeUpdates(wanted, asked, ask);
  return {
    wanted,
    untilAsked: (work) => untilAsked(asked, work),
    answer: (look) => answer(asked, look),
    get isLong() {
      // Whoever has asked meanwhile would wait for an answer that nobody gives any more, and the new run for them.
      if (asked.waiting.length > 0) return false;
      const { continueAsNewSuggested, historyLength } = workflowInfo();
      return continueAsNewSuggested || historyLength > HISTORY_LENGTH_MAX;
    },
    beginAgain: async () => {
      await condition(allHandlersFinished);
      return makeContinueAsNewFunc<(input: ArchiveWalInput) => Promise<unknown>>()({ ...input, ...wanted });
    },
  };
}

function takeUpdates(wanted: ArchiveRequests['wanted'], asked: Asked, ask: () => void): void {
  setHandler(
    pauseUpdate,
    (given) => {
      const pause = parsePause(given);
      wanted.pausedBy = pause.by;
      ask();
      return pause;
    },
    { validator: (given) => refuseInvalid(() => (parsePause(given), undefined)) },
  );
  setHandler(resumeUpdate, () => {
    wanted.pausedBy = undefined;
    ask();
    return null;
  });
  setHandler(
    setBandwidthUpdate,
    (given) => {
      const bandwidth = parseBandwidth(given);
      wanted.bytesPerSecond = bandwidth.bytesPerSecond;
      ask();
      return bandwidth;
    },
    { validator: (given) => refuseInvalid(() => (parseBandwidth(given), undefined)) },
  );
  setHandler(archiveNowUpdate, async () => {
    const { promise, resolve } = Promise.withResolvers<ArchivedExtents>();
    asked.waiting.push(resolve);
    ask();
    try {
      return await promise;
    } catch (error) {
      throw runFailure(error);
    }
  });
}

/** A call: an update may come between two awaits. */
function isPending(asked: Asked): boolean {
  return asked.isPending;
}

/** What was asked before the work began keeps it from beginning. */
async function untilAsked(asked: Asked, work: () => Promise<void>): Promise<void> {
  if (!isPending(asked)) {
    const scope = new CancellationScope();
    asked.scope = scope;
    try {
      await scope.run(work);
    } catch (error) {
      if (!isPending(asked) || !isCancellation(error)) throw error;
    } finally {
      asked.scope = undefined;
    }
  }
  asked.isPending = false;
}

/** One look answers all who wait by then. */
async function answer(asked: Asked, look: () => Promise<ArchivedExtents>): Promise<void> {
  const waiting = asked.waiting.splice(0);
  if (waiting.length === 0) return;
  const looking = look();
  for (const resolve of waiting) resolve(looking);
  await looking.catch(() => undefined);
}
