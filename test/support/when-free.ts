import { setTimeout as delay } from 'node:timers/promises';

const BUSY_EXIT_CODE = 11;
const BUSY_MS = 30_000;
const POLL_MS = 500;

/** Every quarter of an hour the schedule of `up` backs up as well. Who meets that waits for its end, as the hint says. */
export async function whenFree<End extends { exitCode: number | null }>(run: () => Promise<End>): Promise<End> {
  for (const untilMs = Date.now() + BUSY_MS; ;) {
    const end = await run();
    if (end.exitCode !== BUSY_EXIT_CODE || Date.now() > untilMs) return end;
    await delay(POLL_MS);
  }
}
