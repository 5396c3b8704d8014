import type { Place } from '../activities/catalogue/locate.ts';
import type { ArchivedExtents, ArchiveWalInput, ArchiveWalResult, ArchiveWanted } from '../contract/archive-wal.ts';
import { RstowError, sentenceOf } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';

/** What people and services ask of an archive while it runs. */
export type ArchiveRequests = {
  /** As it is wanted now. */
  readonly wanted: ArchiveWanted;
  /** Works until something is asked; what was under way then has ended. Fails: as the work does, and as a cancellation. */
  untilAsked(work: () => Promise<void>): Promise<void>;
  /** Answers those who have asked how far the log is stored. */
  answer(look: () => Promise<ArchivedExtents>): Promise<void>;
  /** A history can't grow for ever: the run begins again as it is wanted now. False as long as somebody waits for an answer. */
  readonly isLong: boolean;
  beginAgain(): Promise<never>;
};

/** How long an archive waits for its database's agent until it asks again. */
const RETRY_MS = 10_000;

/** Follows a database's log for ever: what was written is stored about a second later. */
export async function archiveWal(input: ArchiveWalInput, engine: Engine, requests: ArchiveRequests): Promise<ArchiveWalResult> {
  for (;;) {
    const { wanted } = requests;
    await requests.untilAsked(() => (wanted.pausedBy === undefined ? follow(input, engine, wanted) : stayPaused(engine, wanted.pausedBy)));
    await requests.answer(() => look(input, engine));
    if (requests.isLong) return requests.beginAgain();
  }
}

/** Until the step's turn is over. Whatever keeps it from its work is said, and waited for. */
async function follow(input: ArchiveWalInput, engine: Engine, { bytesPerSecond }: ArchiveRequests['wanted']): Promise<void> {
  const { database, repository } = input;
  let retryMs = RETRY_MS;
  try {
    const place = await owner(input, engine);
    retryMs = place.timing.retryMaxMs;
    engine.phase('following the log');
    await engine.archives(place).followLog({ database, repository, bytesPerSecond });
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    // What trying again can't help is tried again all the same: somebody may mend it.
    engine.phase('waiting to follow the log', sentenceOf(error));
    await engine.sleep(retryMs);
  }
}

async function stayPaused(engine: Engine, by: string): Promise<void> {
  engine.phase('paused', `resume; paused by ${by}`);
  await engine.sleep(PAUSE_MS);
}

/** Nobody waits for its end: what is asked ends it. */
const PAUSE_MS = 86_400_000;

async function look(input: ArchiveWalInput, engine: Engine): Promise<ArchivedExtents> {
  const { database, repository } = input;
  return engine.steps(await owner(input, engine)).archiveOnce({ database, repository });
}

async function owner({ database }: ArchiveWalInput, engine: Engine): Promise<Place> {
  engine.phase('looking for the database’s agent', `the agent that owns ${database}`);
  const place = await engine.places.owner(database);
  engine.placed(place);
  return place;
}
