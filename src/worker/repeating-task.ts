import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from './agent-logger.ts';

export type RepeatingTask = {
  /** Fulfils when the first pass is over, also when it failed. */
  firstPass: Promise<void>;
  /** Fulfils when the signal has ended it. */
  ended: Promise<void>;
};

export type RepeatingTaskOptions = {
  /** For the log line of a pass that failed. */
  what: string;
  intervalMs: number;
  logger: Logger;
  signal: AbortSignal;
};

/** Does something now and again after each interval, one pass at a time; a pass that fails is logged and made good by the next. */
export function startRepeatingTask(pass: () => Promise<void>, options: RepeatingTaskOptions): RepeatingTask {
  const firstPass = guardedPass(pass, options);
  return { firstPass, ended: repeat(firstPass, pass, options) };
}

async function repeat(firstPass: Promise<void>, pass: () => Promise<void>, options: RepeatingTaskOptions): Promise<void> {
  const { intervalMs, signal } = options;
  await firstPass;
  while (!signal.aborted) {
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may be aborted while we slept
    if (!signal.aborted) await guardedPass(pass, options);
  }
}

async function guardedPass(pass: () => Promise<void>, { what, logger }: RepeatingTaskOptions): Promise<void> {
  try {
    await pass();
  } catch (error) {
    logger.warn({ err: error }, `${what} failed, and will be tried again`);
  }
}
