import { setTimeout as delay } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { processesWithOpenFilesUnder } from '../process/open-files.ts';

const POLL_MS = 50;
const KILL_TIMEOUT_MS = 10_000;

export type StopPatience = { /** From SIGINT, on which a server syncs its log, to SIGKILL. 0: SIGKILL at once. */ graceMs: number };

/**
 * Ends every process that has files under the folder open for writing: nothing locks a data directory, so
 * these are its servers, whoever started them. Fails: service-stop-failed. Twice: no-op.
 */
export async function endHolders(folder: string, { graceMs }: StopPatience): Promise<void> {
  if (graceMs > 0 && (await signalUntilGone(folder, 'SIGINT', graceMs))) return;
  if (await signalUntilGone(folder, 'SIGKILL', KILL_TIMEOUT_MS)) return;
  throw new RstowError('service-stop-failed', `processes that hold ${folder} open survive SIGKILL`, { details: { folder } });
}

async function signalUntilGone(folder: string, signal: NodeJS.Signals, timeoutMs: number): Promise<boolean> {
  const signalled = new Set<number>();
  for (let waitedMs = 0; waitedMs <= timeoutMs; waitedMs += POLL_MS) {
    const holders = await processesWithOpenFilesUnder(folder, { ignorePid: process.pid, writersOnly: true });
    if (holders.length === 0) return true;
    for (const { pid } of holders.filter((holder) => !signalled.has(holder.pid))) {
      signalled.add(pid);
      send(pid, signal);
    }
    await delay(POLL_MS);
  }
  return false;
}

/** It may have ended meanwhile. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
