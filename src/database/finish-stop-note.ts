import { isDeepStrictEqual } from 'node:util';
import type { StopNote } from '../formats/data-directory/stop-note.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { putStopNoteAside, readStopNote, removeStopNote } from '../io/data-directory/stop-note.ts';
import { finishSwap, letServerStart } from '../io/data-directory/swap.ts';
import { dataDirectoryMutexName } from '../io/mutex/data-directory-mutex-name.ts';
import { acquireHostMutex } from '../io/mutex/host-mutex.ts';
import { isSameProcessAlive } from '../io/process/proc.ts';
import type { Database } from './database.ts';
import { awaitServer, launchServer } from './server-start.ts';

export type StopNoteFinish =
  | 'no-note'
  | 'held'
  | { inPlace: 'old' | 'new'; noteKeptAt?: undefined }
  /** A note that this version can't read: the server runs on the wal/ that was there. */
  | { inPlace: 'unknown'; noteKeptAt: string };

/**
 * Ends a swap whose restore is gone, and brings the server up: whatever wal/ the disk shows to be complete and in
 * place stays. Every retry, watchdog and agent start calls this one function; it trusts the disk, never a counter.
 * A note whose holder lives is left alone until its deadline. The mutex is free while the server replays its log: one
 * that never answers must not keep a roll-back waiting. Fails: data-directory-replaced, service-start-failed;
 * format-unsupported, where the note can't be read and no wal/ is in place. Twice: no-op.
 */
export async function finishStopNote(database: Database): Promise<StopNoteFinish> {
  const { dataDir, server } = database;
  const seen = await readStopNote(dataDir).catch(unreadableAs('unreadable' as const));
  if (seen === 'unreadable') return finishUnreadableNote(database);
  if (seen === undefined) return 'no-note';
  if (Date.now() < seen.deadlineMs && (await isSameProcessAlive(seen.holder))) return 'held';
  const what = `finishing the stop note of run ${seen.runId}`;
  const finished = await underMutex(database, what, async (note) => {
    const inPlace = await finishSwap(dataDir, note);
    await launchServer(server);
    return { note, inPlace };
  });
  if (finished === undefined) return 'no-note';
  await awaitServer(server);
  const ended = await underMutex(database, what, async (note) => {
    if (!isDeepStrictEqual(note, finished.note)) return 'held';
    await removeStopNote(dataDir);
    return { inPlace: finished.inPlace };
  });
  return ended ?? 'no-note';
}

/**
 * A note of a version that means something else by it. A restore at work holds the mutex, so its server is not meant to
 * be down any more; and a wal/ that is in place is a whole one, old or new, for it only ever came there by a rename.
 */
async function finishUnreadableNote(database: Database): Promise<StopNoteFinish> {
  const { dataDir, server } = database;
  const noteKeptAt = await holdingMutex(database, 'starting the server in spite of a stop note that can’t be read', async () => {
    if ((await readStopNote(dataDir).catch(unreadableAs('unreadable' as const))) !== 'unreadable') return undefined;
    await letServerStart(dataDir);
    await launchServer(server);
    return putStopNoteAside(dataDir);
  });
  if (noteKeptAt === undefined) return 'no-note';
  await awaitServer(server);
  return { inPlace: 'unknown', noteKeptAt };
}

function unreadableAs<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof RstowError && error.code === 'format-unsupported') return instead;
    throw error;
  };
}

/** Undefined where there is no note any more. Fails: busy. */
function underMutex<T>(database: Database, what: string, use: (note: StopNote) => Promise<T>): Promise<T | undefined> {
  return holdingMutex(database, what, async () => {
    const note = await readStopNote(database.dataDir);
    return note === undefined ? undefined : use(note);
  });
}

async function holdingMutex<T>({ dataDir, server }: Database, what: string, use: () => Promise<T>): Promise<T> {
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), { what, waitTimeoutMs: server.startTimeoutMs });
  try {
    return await use();
  } finally {
    await mutex.release();
  }
}
