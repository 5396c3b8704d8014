import { stat } from 'node:fs/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import { lostSentence } from '../core/guard/guard-state.ts';
import { segmentsText } from '../core/wal/continuity.ts';
import type { StopNote } from '../formats/data-directory.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { putStopNoteAside, readStopNote, removeStopNote } from '../io/data-directory/rstow-folder.ts';
import { listSegments } from '../io/data-directory/segments.ts';
import { letServerStart } from '../io/data-directory/swap.ts';
import { cutTornTail, putTornIndexAside } from '../io/data-directory/torn-files.ts';
import { unlessAbsent } from '../io/files/errno.ts';
import { acquireHostMutex, dataDirectoryMutexName, type HostMutex } from '../io/mutex/host-mutex.ts';
import { processesWithOpenFilesUnder } from '../io/process/open-files.ts';
import { isSameProcessAlive } from '../io/process/proc.ts';
import { parseServerAddress, portState } from '../io/service/ports.ts';
import type { Database } from './database.ts';
import { finishOnDisk } from './finish-stop-note.ts';
import { linkBackBeforeStart, type StartGuarded } from './guard-start.ts';

/** What was done before a start, and what a person should know; `isWarning` if it is no success. */
export type StartNote = { what: string; sentence: string; isWarning: boolean };

/** Others hold the data mutex for moments, or while they start the server: then they wait for us. */
const MUTEX_MS = 1_000;
const PORT_MS = 1_000;

/**
 * Makes a data directory ready for its server's start, right before it, without the agent and without Temporal: ends
 * what a dead run has left, links deleted segments back, cuts a torn record at the log's end, and moves a torn list of
 * snapshots aside. Fails: busy (a server works on it, or a run has stopped it), source-damaged (a start would lose
 * records), data-directory-replaced, timeline-diverged. Twice: nothing is left to do.
 */
export async function prepareStart(database: Database): Promise<StartNote[]> {
  const { dataDir } = database;
  // A new server makes it.
  if ((await unlessAbsent(stat(dataDir))) === undefined) return [];
  const note = await stopNote(dataDir);
  if (note !== undefined && !(note instanceof RstowError) && (await isHeld(note))) {
    // Its holder has the mutex, and waits for this very start.
    if (note.phase === 'starting') return prepareLog(database);
    throw stoppedBy(database, note);
  }
  const mutex = await dataMutex(database);
  // Who swaps the data has a note there. Somebody else may be about to start the server, and waits for this very start.
  if (mutex === undefined) return prepareLog(database);
  try {
    return [...(await endStopNote(database)), ...(await prepareLog(database))];
  } finally {
    await mutex.release();
  }
}

/** Undefined if somebody holds it for longer. */
async function dataMutex({ name, dataDir }: Database): Promise<HostMutex | undefined> {
  try {
    const options = { what: `preparing a start of ${name}`, waitTimeoutMs: MUTEX_MS };
    return await acquireHostMutex(await dataDirectoryMutexName(dataDir), options);
  } catch (error) {
    if (error instanceof RstowError && error.code === 'busy') return undefined;
    throw error;
  }
}

async function isHeld({ deadlineMs, holder }: StopNote): Promise<boolean> {
  return Date.now() < deadlineMs && (await isSameProcessAlive(holder));
}

/** An error where the note is there, and no note of this version. */
async function stopNote(dataDir: string): Promise<StopNote | RstowError | undefined> {
  try {
    return await readStopNote(dataDir);
  } catch (error) {
    if (error instanceof RstowError && error.code === 'format-unsupported') return error;
    throw error;
  }
}

/** The start itself is the caller's. */
async function endStopNote(database: Database): Promise<StartNote[]> {
  const { dataDir } = database;
  const note = await stopNote(dataDir);
  if (note === undefined) return [];
  if (note instanceof RstowError) {
    await letServerStart(dataDir);
    const keptAt = await putStopNoteAside(dataDir);
    return [
      warning(
        'stop note put aside',
        `${note.message}; the server starts on the wal/ in place, and the note is kept as ${keptAt ?? dataDir}`,
      ),
    ];
  }
  if (await isHeld(note)) throw stoppedBy(database, note);
  const inPlace = await finishOnDisk(dataDir, note);
  await removeStopNote(dataDir);
  return [did('stop note finished', `of run ${note.runId}, which is gone; the ${inPlace} data are in place`)];
}

async function prepareLog(database: Database): Promise<StartNote[]> {
  const isProvedDown = await requireDown(database);
  const guarded = guardNotes(database.name, await linkBackBeforeStart(database));
  if (!isProvedDown) {
    const sentence = `whether another server runs can’t be proved from here (${database.server.address}), so the log’s end was not checked`;
    return [...guarded, warning('log’s end not checked', sentence)];
  }
  return [...guarded, ...(await cutTail(database)), ...(await checkIndex(database))];
}

/** Whether it is proved that no server runs. Fails: busy. */
async function requireDown({ name, walDir, server }: Database): Promise<boolean> {
  const [writer] = await processesWithOpenFilesUnder(walDir, { ignorePid: process.pid, writersOnly: true });
  const port = await portState(parseServerAddress(server.address), PORT_MS);
  if (writer === undefined && port.kind !== 'open') return port.kind === 'closed';
  const who =
    writer === undefined ? `a server answers at ${server.address}` : `process ${writer.pid} (${writer.command}) writes in ${walDir}`;
  throw new RstowError('busy', `${who}: a second server of ${name} would spoil its log`, {
    details: { database: name },
    hint: 'Stop that server first. Nothing was changed.',
  });
}

function guardNotes(database: string, { linkedBack, lost, obstacle }: StartGuarded): StartNote[] {
  if (obstacle !== undefined) return [warning('not guarded', obstacle)];
  const notes = linkedBack.length === 0 ? [] : [did('linked back', `${segmentsText(linkedBack)}, which compaction had deleted`)];
  return lost.length === 0 ? notes : [...notes, warning('lost', lostSentence(database, segmentsText(lost)))];
}

/** A server that appends behind a torn record loses what it appends, or doesn't start any more. */
async function cutTail({ dataDir, walDir }: Database): Promise<StartNote[]> {
  const newest = (await listSegments(walDir))?.at(-1);
  const tail = newest === undefined ? undefined : await cutTornTail(dataDir, newest, crc32c);
  if (newest === undefined || tail === undefined || tail.kind === 'whole') return [];
  if (tail.kind === 'damaged') {
    const sentence = `${newest.path} has bytes at ${tail.endBytes} that are no record, and whole records behind them, which a start would lose`;
    throw new RstowError('source-damaged', sentence, { details: { path: newest.path, positionBytes: tail.endBytes } });
  }
  const { cutBytes, endBytes, keptAt } = tail;
  const kept = keptAt === undefined ? '' : `; they are kept as ${keptAt}`;
  return [
    did('cut', `${cutBytes} bytes of ${newest.path} behind its last whole record, at ${endBytes}: they were never acknowledged${kept}`),
  ];
}

async function checkIndex({ dataDir }: Database): Promise<StartNote[]> {
  const aside = await putTornIndexAside(dataDir);
  return aside === undefined ? [] : [did('moved aside', `a torn snapshots/index.json, on which no server starts: ${aside}`)];
}

function did(what: string, sentence: string): StartNote {
  return { what, sentence, isWarning: false };
}

function warning(what: string, sentence: string): StartNote {
  return { what, sentence, isWarning: true };
}

function stoppedBy({ name }: Database, { runId, deadlineMs }: StopNote): RstowError {
  const until = new Date(deadlineMs).toISOString();
  return new RstowError('busy', `run ${runId} has stopped the server of ${name}, and starts it itself by ${until} at the latest`, {
    details: { database: name, runId },
    hint: 'Nothing was changed. Wait for the run, or end it with `rstow cancel`.',
  });
}
