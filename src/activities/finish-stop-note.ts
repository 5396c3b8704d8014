import type { DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { dataDirectoryMutexName } from '../io/mutex/data-directory-mutex-name.ts';
import { acquireHostMutex } from '../io/mutex/host-mutex.ts';
import { isSameProcessAlive } from '../io/process/proc.ts';
import { readStopNote, removeStopNote } from '../io/data-directory/stop-note.ts';
import { finishSwap } from '../io/data-directory/swap.ts';
import { startServer } from './managed-service.ts';

export type StopNoteFinish = 'no-note' | 'held' | { inPlace: 'old' | 'new' };

/**
 * Ends a swap whose restore is gone, and brings the server up: whatever wal/ the disk shows to be complete and in
 * place stays. Every retry, watchdog and agent start calls this one function; it trusts the disk, never a counter.
 * A note whose holder lives is left alone until its deadline.
 * Fails: data-directory-replaced, service-start-failed. Twice: no-op.
 */
export async function finishStopNote(settings: DatabaseConfig, timing: TimingConfig): Promise<StopNoteFinish> {
  const { dataDir } = settings;
  const seen = await readStopNote(dataDir);
  if (seen === undefined) return 'no-note';
  if (Date.now() < seen.deadlineMs && (await isSameProcessAlive(seen.holder))) return 'held';
  const mutex = await acquireHostMutex(await dataDirectoryMutexName(dataDir), {
    what: `finishing the stop note of run ${seen.runId}`,
    waitTimeoutMs: settings.startTimeoutMs,
  });
  try {
    const note = await readStopNote(dataDir);
    if (note === undefined) return 'no-note';
    const inPlace = await finishSwap(dataDir, note);
    await startServer(settings, timing);
    await removeStopNote(dataDir);
    return { inPlace };
  } finally {
    await mutex.release();
  }
}
