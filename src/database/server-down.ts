import { assert, RstowError } from '../core/errors/rstow-error.ts';
import type { StopNote, StoppedNote, SwapNote } from '../formats/data-directory.ts';
import { blockServer, serverBlockPath } from '../io/data-directory/server-block.ts';
import { readStopNote, removeStopNote, writeStopNote } from '../io/data-directory/rstow-folder.ts';
import { acquireHostMutex, dataDirectoryMutexName } from '../io/mutex/host-mutex.ts';
import { processStartTicks } from '../io/process/proc.ts';
import type { Database } from './database.ts';
import { finishOnDisk, readyToStart, spawnWatchdog } from './finish-stop-note.ts';
import { startServer, stopServer } from './server-start.ts';

type Held = 'format' | 'runId' | 'database' | 'phase' | 'deadlineMs' | 'holder' | 'createdAtMs';

/** What whoever finds the note has to know to finish it; the rest of the note says who holds it, and until when. */
export type StopPlan = Omit<SwapNote, Held> | Omit<StoppedNote, Held>;

export type DownRun = { readonly runId: string; readonly signal: AbortSignal; report(facts: { stopping: string }): void };

/** A server that is taken down for a while, and what for. */
export type ServerDown<Result> = {
  readonly database: Database;
  readonly run: DownRun;
  readonly plan: StopPlan;
  /** Whether the disk shows that it is done already. Fails if nobody could know, once the server were stopped, what to start it on. */
  isDone(): Promise<boolean>;
  /** Asked while the server still runs, so that a no costs nothing; and not where it is down already. */
  askFirst(): Promise<void>;
  /** Done while no server can start on the data. */
  whileDown(down: Down): Promise<Result>;
};

export type Down = {
  readonly note: StopNote;
  /** A part of the downtime that is left: the rest is the server's, to start again. */
  readonly shareMs: (divisor: number) => number;
};

/** `result` is undefined where an earlier attempt had done it, `downtimeMs` where another process has brought the server up. */
export type BroughtUp<Result> = { result: Result | undefined; downtimeMs: number | undefined };

/** Longer than any holder that waits for a server to start. */
const MUTEX_MARGIN_MS = 60_000;

/** So long an answer may take however little of the downtime is left. */
const ANSWER_MS_MIN = 2_000;

/**
 * Stops the server, proves it, lets none start while `whileDown` works, and brings it up again, however that ends. The
 * stop note on the disk and a process of its own see to it that it comes up though we die, and after `maxDowntimeMs`.
 * The disk says where an earlier attempt stopped, never a counter.
 * Fails: service-stop-failed, service-start-failed, data-directory-replaced, invalid-config (the watchdog can't read it),
 * format-unsupported (a note of another version), and as what it calls does. Twice: it goes on, or is found done.
 */
export async function withServerDown<Result>(down: ServerDown<Result>): Promise<BroughtUp<Result>> {
  const { database, run } = down;
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(database.dataDir), {
    what: `run ${run.runId}, which stops the server of ${database.name}`,
    waitTimeoutMs: database.server.startTimeoutMs + MUTEX_MARGIN_MS,
    signal: run.signal,
  });
  try {
    await finishForeignNote(database, run);
    return await downUnderMutex(down);
  } finally {
    await mutex.release();
  }
}

/**
 * A note of an earlier run that died: what it began is ended first, so that the disk says one thing. The note stays
 * until ours replaces it: should we die before, somebody still knows that the server is down.
 */
async function finishForeignNote({ dataDir }: Database, run: DownRun): Promise<void> {
  const note = await readStopNote(dataDir);
  if (note !== undefined && note.runId !== run.runId) await finishOnDisk(dataDir, note);
}

async function downUnderMutex<Result>(down: ServerDown<Result>): Promise<BroughtUp<Result>> {
  const { database } = down;
  const earlier = await readStopNote(database.dataDir);
  const isDone = await down.isDone();
  if (isDone && earlier === undefined) {
    await startServer(database.server);
    return { result: undefined, downtimeMs: undefined };
  }
  // A note of the stop, or of what came after, means that the server is down already: then asking first would only prolong that.
  if (!isDone && (earlier === undefined || earlier.phase === 'starting')) await down.askFirst();
  const note = await takeNote(down, earlier);
  let result: Result | undefined;
  try {
    if (!isDone) {
      await stopAndBlock(down, note);
      result = await down.whileDown({ note, shareMs: (divisor) => shareMs(note, divisor) });
    }
  } catch (error) {
    await bringUp(database, note, error);
    throw error;
  }
  await bringUp(database, note);
  return { result, downtimeMs: Date.now() - note.createdAtMs };
}

function shareMs({ deadlineMs }: StopNote, divisor: number): number {
  return Math.max(ANSWER_MS_MIN, Math.floor((deadlineMs - Date.now()) / divisor));
}

/**
 * Says on the disk what is about to happen, and starts the process that ends it should we die. Nothing is stopped
 * before that process is ready.
 */
async function takeNote({ database, plan, run }: ServerDown<unknown>, earlier: StopNote | undefined): Promise<StopNote> {
  const { dataDir, settings } = database;
  const startTicks = await processStartTicks(process.pid);
  assert(startTicks !== undefined, 'our own process is in /proc');
  const timed = (nowMs: number): StopNote => ({
    ...plan,
    format: 1,
    runId: run.runId,
    database: database.name,
    phase: 'stopping',
    holder: { pid: process.pid, startTicks },
    createdAtMs: earlier?.createdAtMs ?? nowMs,
    deadlineMs: nowMs + settings.maxDowntimeMs,
  });
  await writeStopNote(dataDir, timed(Date.now()));
  try {
    await spawnWatchdog(database);
  } catch (error) {
    await (earlier === undefined ? removeStopNote(dataDir) : writeStopNote(dataDir, earlier));
    throw error;
  }
  const ready = timed(Date.now());
  await writeStopNote(dataDir, ready);
  return ready;
}

/**
 * Stops the server and lets no server start, then stops it again and proves it: one that came up in between, by
 * whatever loop or policy, is ended too, and can't come back.
 */
async function stopAndBlock({ database, run }: ServerDown<unknown>, note: StopNote): Promise<void> {
  const { dataDir, server } = database;
  run.report({ stopping: server.address });
  await server.service.refuseStartsWhile?.(serverBlockPath(dataDir));
  await server.service.stop();
  await blockServer(dataDir, note);
  await stopServer(server);
}

/** Whatever happened, the server comes up on the wal/ that is in place, old or new. */
async function bringUp(database: Database, note: StopNote, failure?: unknown): Promise<void> {
  const { dataDir, server } = database;
  try {
    await writeStopNote(dataDir, { ...note, phase: 'starting' });
    await readyToStart(database, note);
    await startServer(server);
    await removeStopNote(dataDir);
  } catch (error) {
    throw failure === undefined ? error : withReason(note, error, failure);
  }
}

/** A server that doesn't come up is reported first, and then what had failed while it was down. */
function withReason({ kind }: StopNote, error: unknown, reason: unknown): unknown {
  if (!(error instanceof RstowError)) return error;
  const what = kind === 'swap' ? 'the data were not swapped' : 'what it was stopped for was not done';
  const why = reason instanceof RstowError ? `${reason.code}: ${reason.message}` : String(reason);
  return new RstowError(error.code, `${error.message}; ${what} because of ${why}`, {
    details: error.details,
    cause: reason,
  });
}
