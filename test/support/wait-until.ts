import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

/** Returns once it holds; what does not within the time fails the test, saying what was waited for. */
export async function waitUntil(what: string, holds: () => Promise<boolean> | boolean, timeoutMs = 60_000): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (Date.now() > deadlineMs) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await sleep(POLL_MS);
  }
}
