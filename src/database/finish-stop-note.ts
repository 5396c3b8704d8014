import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StopNote } from '../formats/data-directory.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import { isServerBlocked } from '../io/data-directory/server-block.ts';
import { cutTornTail, putTornIndexAside } from '../io/data-directory/torn-files.ts';
import { putStopNoteAside, readStopNote, removeStopNote } from '../io/data-directory/rstow-folder.ts';
import { finishStop, finishSwap, letServerStart } from '../io/data-directory/swap.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../io/mutex/host-mutex.ts';
import { isSameProcessAlive } from '../io/process/proc.ts';
import type { Database } from './database.ts';
import { linkBackIfPossible } from './guard-start.ts';
import { awaitServer, isDown, launchServer } from './server-start.ts';
import { isErrorCode } from '../core/errors/error-table.ts';
import { spawnTelling } from '../io/process/run-command.ts';

/** Which wal/ the server is started on: of a server that was only stopped, it is the old one. */
export type DataStartedOn = 'old' | 'new';

export type StopNoteFinish =
  | 'no-note'
  | 'held'
  | { inPlace: DataStartedOn; noteKeptAt?: undefined }
  /** A note that this version can't read: the server runs on the wal/ that was there. */
  | { inPlace: 'unknown'; noteKeptAt: string; why: string };

/**
 * Ends what a run that is gone has stopped the server for, and brings the server up: whatever wal/ the disk shows to be
 * complete and in place stays. Every retry, watchdog and agent start calls this one function; it trusts the disk, never a counter.
 * A note whose holder lives is left alone until its deadline. The mutex is free while the server replays its log: one
 * that never answers must not keep a roll-back waiting. Fails: data-directory-replaced, service-start-failed;
 * format-unsupported, where the note can't be read and no wal/ is in place. Twice: no-op.
 */
export async function finishStopNote(database: Database): Promise<StopNoteFinish> {
  const { dataDir, server } = database;
  const seen = await readNote(dataDir);
  if (seen instanceof RstowError) return finishUnreadableNote(database);
  if (seen === undefined) return 'no-note';
  if (Date.now() < seen.deadlineMs && (await isSameProcessAlive(seen.holder))) return 'held';
  const what = `finishing the stop note of run ${seen.runId}`;
  const finished = await underMutex(database, what, async (note) => {
    const inPlace = await readyToStart(database, note);
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
 * Lets servers start on the wal/ that the note proves, whatever its holder had done by then. The server is still to be
 * started, and the note to be removed. Fails: data-directory-replaced. Twice: no-op.
 */
export async function finishOnDisk(dataDir: string, note: StopNote): Promise<DataStartedOn> {
  if (note.kind === 'swap') return finishSwap(dataDir, note);
  await finishStop(dataDir, note);
  return 'old';
}

/**
 * The same, and mends what the server may have left that was stopped, as far as that can be: it may have been killed in the middle of a
 * record, or have compacted right before, or have torn its list of snapshots. Fails: data-directory-replaced. Twice: no-op.
 */
export async function readyToStart(database: Database, note: StopNote): Promise<DataStartedOn> {
  // While none can start: a server that appends behind a torn record loses what it appends.
  if (await isServerBlocked(database.dataDir)) await mendIfDown(database, cutTornEnd);
  const inPlace = await finishOnDisk(database.dataDir, note);
  await mendIfDown(database, mendDown);
  return inPlace;
}

/** It must come up whatever becomes of that. Somebody else may have started it by now. */
async function mendIfDown(database: Database, mend: (database: Database) => Promise<unknown>): Promise<void> {
  if (await isDown(database.server)) await mend(database).catch(() => undefined);
}

async function cutTornEnd({ dataDir, walDir }: Database): Promise<void> {
  const newest = (await listSegments(walDir))?.at(-1);
  if (newest !== undefined) await cutTornTail(dataDir, newest, crc32c);
}

async function mendDown(database: Database): Promise<void> {
  await linkBackIfPossible(database);
  await putTornIndexAside(database.dataDir);
}

/**
 * A note of a version that means something else by it. A run at work holds the mutex, so its server is not meant to
 * be down any more; and a wal/ that is in place is a whole one, old or new, for it only ever came there by a rename.
 */
async function finishUnreadableNote(database: Database): Promise<StopNoteFinish> {
  const { dataDir, server } = database;
  const finished = await holdingMutex(database, 'starting the server in spite of a stop note that can’t be read', async () => {
    const note = await readNote(dataDir);
    if (!(note instanceof RstowError)) return undefined;
    await letServerStart(dataDir);
    await mendIfDown(database, mendDown);
    await launchServer(server);
    return { noteKeptAt: await putStopNoteAside(dataDir), why: note.message };
  });
  if (finished?.noteKeptAt === undefined) return 'no-note';
  const { noteKeptAt, why } = finished;
  try {
    await awaitServer(server);
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    // Nobody finds the note in its place any more: this is the last that can report it.
    throw new RstowError(error.code, `${error.message}; ${why}, and is kept as ${noteKeptAt}`, { details: error.details, cause: error });
  }
  return { inPlace: 'unknown', noteKeptAt, why };
}

/** An error where the note is there, and no note of this version. */
async function readNote(dataDir: string): Promise<StopNote | RstowError | undefined> {
  try {
    return await readStopNote(dataDir);
  } catch (error) {
    if (error instanceof RstowError && error.code === 'format-unsupported') return error;
    throw error;
  }
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

/** This module's own ending: sources run as they are, a built package has JavaScript beside it. */
const ENDING = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** What a watchdog says once it has read its config; anything else is a code and a sentence. */
export const WATCHDOG_READY = 'ready';

/** A busy host takes its time to start a Node.js. */
const READY_TIMEOUT_MS = 30_000;

/**
 * Starts a process of its own that waits for the stop note's end, and ends the note itself should its holder die or
 * its deadline pass: nobody may find the server down because an agent, Temporal or a network died. Returns once that
 * process is ready. Fails: invalid-config (the file has changed for the worse), failed. Twice: a second one, which
 * finds nothing left to do.
 */
export async function spawnWatchdog({ name, dataDir, agent }: Database): Promise<void> {
  const main = fileURLToPath(new URL(`../worker/stop-note-watchdog-main${ENDING}`, import.meta.url));
  const logFile = join(agent.stateDir, 'watchdog.log');
  const command = [process.execPath, main, agent.configFile, name, dataDir];
  const said = await spawnTelling({ command, env: {}, logFile }, READY_TIMEOUT_MS);
  if (said === WATCHDOG_READY) return;
  const [, code = 'failed', why] = /^([a-z-]+): (.*)$/.exec(said ?? '') ?? [];
  const sentence = `the server was not stopped, because the watchdog that would start it again could not be started (${why ?? `see ${logFile}`})`;
  throw new RstowError(isErrorCode(code) ? code : 'failed', sentence, { details: { logFile } });
}
