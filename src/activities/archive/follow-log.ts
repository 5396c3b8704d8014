import { createBandwidth } from '../../store/bandwidth.ts';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArchivedExtents } from '../../contract/archive-wal.ts';
import { baselineOf } from '../../core/backup/history.ts';
import { summariseExtents } from '../../core/backup/segment-plan.ts';
import type { SegmentId } from '../../core/wal/wal-offset.ts';
import { type Database, openDatabase } from '../../database/database.ts';
import { removeArchivePins } from '../../io/data-directory/pins.ts';
import { readStopNote } from '../../io/data-directory/rstow-folder.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../../io/mutex/host-mutex.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';
import { continuedTimeline } from './crash-fork.ts';
import { createLogFollower, type LogFollower } from './log-follower.ts';

export type FollowLogInput = { database: string; repository?: string | undefined; bytesPerSecond?: number | undefined };

/**
 * Stores the log as it grows, until its turn is over or another wal/ is in place: it stops between two objects, and whoever comes next
 * finds out from the repository where it stood. One follower for each data directory: another one waits. It stores nothing unless the files
 * continue what is stored, and this installation is the database's owner. A new timeline may begin first; @see continuedTimeline
 * Fails: owner-outdated, installation-cloned, timeline-diverged, source-damaged, data-directory-missing, data-directory-replaced, repository-unavailable,
 * not-enough-space. Twice: the second one goes on where the first one stood.
 */
export const followLog =
  (deps: ActivityDeps) =>
  async (input: FollowLogInput, run: RunPort): Promise<ArchivedExtents> =>
    whileFollowing(deps, { input, run }, async (follower, timeline) => {
      const { intervalMs, tidyMs, turnMs } = openDatabase(deps, input.database).settings.archive;
      const beganAtMs = performance.now();
      const tidying = createTidying(follower, tidyMs);
      const pinning = keepPinning(follower);
      try {
        while (performance.now() - beganAtMs < turnMs) {
          const lookedAtMs = performance.now();
          const seenAtMs = Date.now();
          if (!(await follower.look())) break;
          if (follower.isWhole()) recordLook(deps, input.database, seenAtMs);
          tidying.keepUp();
          report(run, follower);
          await delay(Math.max(0, lookedAtMs + intervalMs - performance.now()), undefined, { signal: run.signal });
        }
      } finally {
        await Promise.all([tidying.end(), pinning.end()]);
      }
      return extentsOf(follower, timeline);
    });

/** One look, for somebody who wants to know now that all is stored. Fails: as `followLog`. Twice: another look. */
export const archiveOnce =
  (deps: ActivityDeps) =>
  async (input: FollowLogInput, run: RunPort): Promise<ArchivedExtents> =>
    whileFollowing(deps, { input, run }, async (follower, timeline) => {
      await follower.look();
      return extentsOf(follower, timeline);
    });

type Following = { input: FollowLogInput; run: RunPort };

async function whileFollowing(
  deps: ActivityDeps,
  { input, run }: Following,
  work: (follower: LogFollower, timeline: string) => Promise<ArchivedExtents>,
): Promise<ArchivedExtents> {
  const database = openDatabase(deps, input.database);
  const { dataDir, settings } = database;
  await untilInPlace(database, run.signal);
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir, 'archive'), {
    what: 'archiving the log',
    waitTimeoutMs: Number.POSITIVE_INFINITY,
    signal: run.signal,
  });
  try {
    const store = await deps.openStore(input.database, input.repository);
    await store.owner.require();
    const timeline = await continuedTimeline({ deps, database, store, run });
    await removeArchivePins(dataDir, timeline);
    const bandwidth = createBandwidth(input.bytesPerSecond ?? settings.archive.bytesPerSecond);
    const first = baselineOf(await store.timelines.having(timeline), timeline)?.segment ?? (0 as SegmentId);
    return await work(await createLogFollower({ deps, database, store, timeline, first, bandwidth, run }), timeline);
  } finally {
    await mutex.release();
  }
}

/** A restore is never disturbed, nor followed half-way: while its note lies there, or no wal/ is in place, nothing is looked at. */
async function untilInPlace({ dataDir, walDir, settings }: Database, signal: AbortSignal): Promise<void> {
  while (!existsSync(walDir) || (await readStopNote(dataDir)) !== undefined) {
    await delay(settings.archive.intervalMs, undefined, { signal });
  }
}

const PIN_MS = 250;

/** Beside the looks, which are rarer and wait for the repository: a segment may be begun and compacted between two of them. */
function keepPinning(follower: LogFollower): { end(): Promise<void> } {
  const ending = new AbortController();
  const { signal } = ending;
  const pin = async (): Promise<void> => {
    do {
      // Whatever keeps it from that, the next look says.
      await follower.pinNew().catch(() => undefined);
      await delay(PIN_MS, undefined, { signal }).catch(() => undefined);
    } while (!signal.aborted);
  };
  const pinning = pin();
  return {
    end: async () => {
      ending.abort();
      await pinning;
    },
  };
}

type Tidying = {
  /** Begins if it is time to. Fails: as the last time did. */
  keepUp(): void;
  /** Returns when nothing of it is at work any more. */
  end(): Promise<void>;
};

/** Goes on beside the looks: a large one takes seconds, and a record that came meanwhile would be late by them. */
function createTidying(follower: LogFollower, tidyMs: number): Tidying {
  const ending = new AbortController();
  let tidiedAtMs = performance.now();
  let running: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  const tidy = async (): Promise<void> => {
    try {
      await follower.tidy(ending.signal);
    } catch (error) {
      failure = { error };
    }
    tidiedAtMs = performance.now();
    running = undefined;
  };
  return {
    keepUp: () => {
      if (failure !== undefined) throw failure.error;
      if (running === undefined && performance.now() - tidiedAtMs >= tidyMs) running = tidy();
    },
    end: async () => {
      ending.abort();
      await running;
    },
  };
}

function recordLook({ events }: ActivityDeps, database: string, seenAtMs: number): void {
  events.record({ kind: 'archive-looked', database, seenAtMs, sentence: 'all of the log in place was stored' });
}

function report(run: RunPort, follower: LogFollower): void {
  const { segment, endBytes } = follower.newest();
  run.report({ doing: 'following the log', segment, endBytes, lookedAtMs: Date.now() });
}

function extentsOf(follower: LogFollower, timeline: string): ArchivedExtents {
  const extents = follower.extents().filter(({ endBytes }) => endBytes > 0);
  return { timeline, extents: extents.length === 0 ? null : summariseExtents(extents) };
}
