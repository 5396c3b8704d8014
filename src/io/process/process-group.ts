import { assert } from '../../core/errors/assert.ts';

/** Signals every process of a group. Twice: a group that is gone already is no failure. */
export function signalProcessGroup(processGroup: number, signal: NodeJS.Signals): void {
  assert(Number.isSafeInteger(processGroup) && processGroup > 1, 'a process group is above 1: -1 would mean every process');
  try {
    process.kill(-processGroup, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Twice: a process that is gone already is no failure. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  assert(Number.isSafeInteger(pid) && pid > 1, 'a process that is signalled is above 1');
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
