import { setTimeout as sleep } from 'node:timers/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Logger } from '../telemetry/agent-logger.ts';

export type RepeatingTask = {
  /** Fulfils when the first pass is over, also when it failed; one that hangs is not waited for longer than 20 s. */
  firstPass: Promise<void>;
  /** Fulfils when the signal has ended it; a pass that hangs then is not waited for longer than 5 s. */
  ended: Promise<void>;
  /** What was wrong with its last pass, or that one takes too long; undefined if it works. */
  fault: () => string | undefined;
};

export type RepeatingTaskOptions = {
  /** For the log line of a pass that failed. */
  what: string;
  intervalMs: number;
  /** A pass that takes longer does not come back. Default: 10 minutes. */
  hungMs?: number;
  logger: Logger;
  signal: AbortSignal;
};

const FIRST_PASS_MS = 20_000;
const LAST_PASS_MS = 5_000;

/** A pass may have much to read; one that takes longer than this does not come back. */
const HUNG_MS = 600_000;

/** Does something now and again after each interval, one pass at a time; a pass that fails is logged and made good by the next. */
export function startRepeatingTask(pass: () => Promise<void>, options: RepeatingTaskOptions): RepeatingTask {
  let beganAtMs: number | undefined;
  let failure: string | undefined;
  const noted = async (): Promise<void> => {
    beganAtMs = performance.now();
    try {
      await pass();
      failure = undefined;
    } catch (error) {
      failure = error instanceof RstowError ? error.code : 'it failed';
      throw error;
    } finally {
      beganAtMs = undefined;
    }
  };
  const first = guardedPass(noted, options);
  const ended = repeat(first, noted, options);
  const isHung = (): boolean => beganAtMs !== undefined && performance.now() - beganAtMs > (options.hungMs ?? HUNG_MS);
  return {
    firstPass: noLongerThan(FIRST_PASS_MS, first),
    ended: endedWith(options.signal, ended),
    fault: () => (isHung() ? `${options.what}: it hangs` : failure && `${options.what}: ${failure}`),
  };
}

/** One pass of a task for each thing: what is wrong with one, or hangs, keeps nobody else from its turn. */
export function startTaskForEach<Thing>(
  things: readonly Thing[],
  pass: (thing: Thing) => Promise<void>,
  options: Omit<RepeatingTaskOptions, 'what'> & { what: (thing: Thing) => string },
): RepeatingTask {
  return allOf(things.map((thing) => startRepeatingTask(() => pass(thing), { ...options, what: options.what(thing) })));
}

/** Several tasks as one. */
export function allOf(tasks: readonly RepeatingTask[]): RepeatingTask {
  return {
    firstPass: Promise.all(tasks.map(({ firstPass }) => firstPass)).then(() => undefined),
    ended: Promise.all(tasks.map(({ ended }) => ended)).then(() => undefined),
    fault: () => tasks.map(({ fault }) => fault()).find((fault) => fault !== undefined),
  };
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

async function endedWith(signal: AbortSignal, ended: Promise<void>): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  signal.addEventListener('abort', () => resolve(undefined), { once: true });
  if (!signal.aborted) await Promise.race([aborted, ended]);
  await noLongerThan(LAST_PASS_MS, ended);
}

async function noLongerThan(limitMs: number, work: Promise<void>): Promise<void> {
  const waiting = new AbortController();
  const over = sleep(limitMs, undefined, { signal: waiting.signal }).catch(() => undefined);
  await Promise.race([work, over]);
  waiting.abort();
}
