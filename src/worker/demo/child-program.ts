import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { isSameProcessAlive, type ProcessIdentity } from '../../io/process/proc.ts';
import { signalProcessGroup } from '../../io/process/process-group.ts';
import { type DetachedCommand, spawnDetached } from '../../io/process/spawn-detached.ts';

export type ChildProgram = {
  readonly pid: number;
  /** SIGTERM, then SIGKILL. Twice: no-op. */
  stop(): Promise<void>;
};

const POLL_MS = 50;
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;

/** Starts a program and waits until it is ready. Fails: `failed`, with the end of its log. */
export async function startChildProgram(
  command: DetachedCommand,
  isReady: (logText: string) => Promise<boolean> | boolean,
): Promise<ChildProgram> {
  const identity = await spawnDetached(command);
  const child: ChildProgram = { pid: identity.pid, stop: () => stop(identity) };
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    const logText = await readFile(command.logFile, 'utf8');
    if (await isReady(logText)) return child;
    const isAlive = await isSameProcessAlive(identity);
    if (!isAlive || performance.now() > deadlineMs) {
      await child.stop();
      const what = isAlive ? 'is not ready in time' : 'ended';
      throw new RstowError('failed', `${command.command[0] ?? ''} ${what}; its log ends: ${logText.trim().slice(-500)}`);
    }
    await sleep(POLL_MS);
  }
}

async function stop(identity: ProcessIdentity): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const deadlineMs = performance.now() + STOP_TIMEOUT_MS;
    if (await isSameProcessAlive(identity)) signalProcessGroup(identity.pid, signal);
    while ((await isSameProcessAlive(identity)) && performance.now() < deadlineMs) await sleep(POLL_MS);
  }
}
