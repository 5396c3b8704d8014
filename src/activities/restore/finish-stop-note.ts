import { isDeepStrictEqual } from 'node:util';
import type { DatabaseConfig, TimingConfig } from '../../config/agent-config.ts';
import type { StopNote } from '../../config/repository-json/stop-note.ts';
import { readStopNote, removeStopNote } from '../../io/data-directory/stop-note.ts';
import { finishSwap } from '../../io/data-directory/swap.ts';
import { dataDirectoryMutexName } from '../../io/mutex/data-directory-mutex-name.ts';
import { acquireHostMutex } from '../../io/mutex/host-mutex.ts';
import { isSameProcessAlive } from '../../io/process/proc.ts';
import { awaitServer, launchServer } from '../server/managed-service.ts';

export type StopNoteFinish = 'no-note' | 'held' | { inPlace: 'old' | 'new' };

/**
 * Ends a swap whose restore is gone, and brings the server up: whatever wal/ the disk shows to be complete and in
 * place stays. Every retry, watchdog and agent start calls this one function; it trusts the disk, never a counter.
 * A note whose holder lives is left alone until its deadline. The mutex is free while the server replays its log: one
 * that never answers must not keep a roll-back waiting. Fails: data-directory-replaced, service-start-failed. Twice: no-op.
 */
export async function finishStopNote(settings: DatabaseConfig, timing: TimingConfig): Promise<StopNoteFinish> {
  const seen = await readStopNote(settings.dataDir);
  if (seen === undefined) return 'no-note';
  if (Date.now() < seen.deadlineMs && (await isSameProcessAlive(seen.holder))) return 'held';
  const what = `finishing the stop note of run ${seen.runId}`;
  const finished = await underMutex(settings, what, async (note) => {
    const inPlace = await finishSwap(settings.dataDir, note);
    await launchServer(settings, timing);
    return { note, inPlace };
  });
  if (finished === undefined) return 'no-note';
  await awaitServer(settings, timing);
  const ended = await underMutex(settings, what, async (note) => {
    if (!isDeepStrictEqual(note, finished.note)) return 'held';
    await removeStopNote(settings.dataDir);
    return { inPlace: finished.inPlace };
  });
  return ended ?? 'no-note';
}

/** Undefined where there is no note any more. Fails: busy. */
async function underMutex<T>(settings: DatabaseConfig, what: string, use: (note: StopNote) => Promise<T>): Promise<T | undefined> {
  const { dataDir, startTimeoutMs } = settings;
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), { what, waitTimeoutMs: startTimeoutMs });
  try {
    const note = await readStopNote(dataDir);
    return note === undefined ? undefined : await use(note);
  } finally {
    await mutex.release();
  }
}
