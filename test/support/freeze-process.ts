import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 5;

/** Freezes a process, and returns once each of its threads stands still: the signal alone comes when it comes. */
export async function freezeProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  while (!threadStates(pid).every((state) => state === 'T')) await sleep(POLL_MS);
}

/** @see proc_pid_stat(5): the state stands behind the name in parentheses; T is stopped by a signal. */
function threadStates(pid: number): string[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return text.charAt(text.lastIndexOf(')') + 2);
  });
}
