/** Servers that a test runs as children: none outlives the test's process, and each is waited for until it answers. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** Gives the child, which is killed at the latest when this process ends. */
export function endedWithUs<Child extends ChildProcess>(child: Child): Child {
  const killOnExit = (): boolean => child.kill('SIGKILL');
  process.once('exit', killOnExit);
  child.once('exit', () => process.off('exit', killOnExit));
  return child;
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** As a crash would end it. Twice: no-op. */
export async function killChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** Asks again until that doesn't fail. Fails: as the asking does after a minute; at once if the child has ended. */
export async function untilAnswering(child: ChildProcess, ask: () => Promise<unknown>): Promise<void> {
  for (const deadlineMs = Date.now() + START_TIMEOUT_MS; ;) {
    try {
      await ask();
      return;
    } catch (error) {
      if (Date.now() > deadlineMs) throw error;
      if (hasEnded(child)) throw new Error(`${child.spawnfile} ended with ${child.exitCode ?? child.signalCode}`, { cause: error });
    }
    await sleep(POLL_MS);
  }
}
