import { setTimeout as delay } from 'node:timers/promises';
import type { StopNote } from '../../formats/data-directory/stop-note.ts';
import { assert } from '../../core/errors/assert.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { blockServer } from '../../io/data-directory/server-block.ts';
import { readStopNote, removeStopNote, writeStopNote } from '../../io/data-directory/stop-note.ts';
import { finishSwap, foreignWal, type SwapPlan, swapWal, whichWalIsInPlace } from '../../io/data-directory/swap.ts';
import { dataDirectoryMutexName } from '../../io/mutex/data-directory-mutex-name.ts';
import { acquireHostMutex } from '../../io/mutex/host-mutex.ts';
import { processStartTicks } from '../../io/process/proc.ts';
import { endHolders } from '../../io/service/end-holders.ts';
import type { RunPort } from '../run-port.ts';
import type { Database } from '../../database/database.ts';
import { proveServerStopped, startServer } from '../../database/server-start.ts';
import type { KeptTail } from './store-tail.ts';
import { spawnWatchdog } from '../../database/stop-note-watchdog.ts';

export type SwapWork = {
  database: Database;
  plan: SwapPlan;
  run: RunPort;
  /** Asked while the server still runs, so that a no costs nothing. */
  askFirst: () => Promise<void>;
  /** Asked again right before the first rename, the step that can't be taken back by starting the old data. */
  checkAllowed: () => Promise<void>;
  /** Done in about so much time while the server is stopped and can't start, before anything is moved. */
  beforeSwap?: (limitMs: number) => Promise<KeptTail>;
};

export type Swapped = KeptTail & { /** Undefined where another process brought the server up. */ downtimeMs?: number };

/** Longer than any holder that waits for a server to start. */
const MUTEX_MARGIN_MS = 60_000;

/** So long an answer may take however little of the downtime is left. */
const ANSWER_MS_MIN = 2_000;

/**
 * Puts the plan's new wal/ in the old one's place, with the server stopped in between, and brings the server up on
 * whatever is in place, however this ends. The disk says where an earlier attempt stopped, never a counter.
 * Fails: service-stop-failed, service-start-failed, data-directory-replaced, owner-outdated, temporal-unreachable,
 * repository-unavailable, invalid-config (the watchdog can't read it). Twice: the swap goes on, or is found done.
 */
export async function swapWithServerDown(work: SwapWork): Promise<Swapped> {
  const { database, run } = work;
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(database.dataDir), {
    what: `restore ${run.runId} of ${database.name}`,
    waitTimeoutMs: database.server.startTimeoutMs + MUTEX_MARGIN_MS,
    signal: run.signal,
  });
  try {
    await finishForeignNote(work);
    return await swapUnderMutex(work);
  } finally {
    await mutex.release();
  }
}

/**
 * A note of an earlier run that died: its swap is ended first, so that `old` and `new` mean one thing. The note stays
 * until ours replaces it: should we die before, somebody still knows that the server is down.
 */
async function finishForeignNote({ database: { dataDir }, run }: SwapWork): Promise<void> {
  const note = await readStopNote(dataDir);
  if (note !== undefined && note.runId !== run.runId) await finishSwap(dataDir, note);
}

async function swapUnderMutex(work: SwapWork): Promise<Swapped> {
  const { database, plan } = work;
  const { dataDir, server } = database;
  const earlier = await readStopNote(dataDir);
  const inPlace = await whichWalIsInPlace(dataDir, plan);
  // Once the server were stopped, nobody could tell what to start it on.
  if (inPlace === 'foreign') throw foreignWal(dataDir);
  const isDone = inPlace === 'new';
  if (isDone && earlier === undefined) {
    await startServer(server);
    return {};
  }
  // A note of the stop or the swap means that the server is down already: then asking first would only prolong that.
  if (!isDone && (earlier === undefined || earlier.phase === 'starting')) await work.askFirst();
  const note = await takeNote(work, earlier);
  let kept: KeptTail = {};
  try {
    if (!isDone) kept = await stopAndSwap(work, note);
  } catch (error) {
    await bringUp(work, note, error);
    throw error;
  }
  await bringUp(work, note);
  return { ...kept, downtimeMs: Date.now() - note.createdAtMs };
}

async function stopAndSwap(work: SwapWork, note: StopNote): Promise<KeptTail> {
  const { dataDir } = work.database;
  await stopAndBlock(work, note);
  const kept = (await work.beforeSwap?.(shareOf(note, 2))) ?? {};
  await checkInTime(work, note);
  work.run.signal.throwIfAborted();
  await writeStopNote(dataDir, { ...note, phase: 'swapping' });
  await swapWal(dataDir, note);
  return kept;
}

/** A part of the downtime that is left: the rest is the server's, to start on the old data. */
function shareOf(note: StopNote, divisor: number): number {
  return Math.max(ANSWER_MS_MIN, Math.floor((note.deadlineMs - Date.now()) / divisor));
}

async function checkInTime({ checkAllowed }: SwapWork, note: StopNote): Promise<void> {
  const limitMs = shareOf(note, 3);
  const answered = new AbortController();
  const late = delay(limitMs, undefined, { signal: answered.signal }).then(() => {
    throw new RstowError(
      'temporal-unreachable',
      `Temporal did not say within ${limitMs} ms whether the restore may go on, so the old data stay`,
    );
  });
  try {
    await Promise.race([checkAllowed(), late]);
  } finally {
    answered.abort();
  }
}

/**
 * Says on the disk what is about to happen, and starts the process that ends it should we die. Nothing is stopped
 * before that process is ready.
 */
async function takeNote(work: SwapWork, earlier: StopNote | undefined): Promise<StopNote> {
  const { database, plan, run } = work;
  const { dataDir, settings } = database;
  const startTicks = await processStartTicks(process.pid);
  assert(startTicks !== undefined, 'our own process is in /proc');
  const holder = { pid: process.pid, startTicks };
  const note = { format: 1 as const, runId: run.runId, database: database.name, phase: 'stopping' as const, ...plan, holder };
  const timed = (nowMs: number): StopNote => ({
    ...note,
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
 * Stops the server and proves it, then lets no server start, then proves it again: one that came up in between, by
 * whatever loop, is ended too, and can't come back.
 */
async function stopAndBlock({ database: { dataDir, walDir, server }, run }: SwapWork, note: StopNote): Promise<void> {
  run.report({ stopping: server.address });
  const { service } = server;
  await service.stop();
  await blockServer(dataDir, note);
  await service.stop();
  await endHolders(walDir, { graceMs: service.stopGraceMs });
  await proveServerStopped(server);
}

/** Whatever happened, the server comes up on the wal/ that is in place, old or new. */
async function bringUp({ database: { dataDir, server } }: SwapWork, note: StopNote, failure?: unknown): Promise<void> {
  try {
    await writeStopNote(dataDir, { ...note, phase: 'starting' });
    await finishSwap(dataDir, note);
    await startServer(server);
    await removeStopNote(dataDir);
  } catch (error) {
    throw failure === undefined ? error : withReason(error, failure);
  }
}

/** A server that doesn't come up is told first, and then why its data were not swapped. */
function withReason(error: unknown, reason: unknown): unknown {
  if (!(error instanceof RstowError)) return error;
  const why = reason instanceof RstowError ? `${reason.code}: ${reason.message}` : String(reason);
  return new RstowError(error.code, `${error.message}; the data were not swapped because of ${why}`, {
    details: error.details,
    cause: reason,
  });
}
